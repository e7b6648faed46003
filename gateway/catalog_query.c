/* SPDX-License-Identifier: PostgreSQL
 * catalog_query - the SQL that asks the catalogs. Objects of the server itself have oids below 16384. What
 * built-in functions an expression calls stands only in its tree, since no dependencies are kept on them;
 * trees are searched as text, because printing them as SQL takes locks on their tables. */
#include "gateway/catalog_query.h"

/* In force until the end of the query's own transaction. */
#define FOR_THIS_QUERY                                                                                       \
    "SET LOCAL statement_timeout = 0;"                                                                       \
    "SET LOCAL client_encoding = 'SQL_ASCII';"                                                               \
    "SET LOCAL search_path = pg_catalog, pg_temp;"                                                           \
    "SET LOCAL lock_timeout = '10s';"

/* One term: how many rows, and a sum that any change of one of them changes. */
#define DIGEST(what, where)                                                                                  \
    "(SELECT count(*) || ' ' || coalesce(sum(hashtextextended(" what ", 0)), 0) FROM " where ")"
#define ROWS_OF(catalog, where) DIGEST("xmin::text || ctid::text", catalog " WHERE oid >= 16384 " where)

#define FINGERPRINT                                                                                          \
    "SELECT 'f', md5(concat_ws('/', "                                                                        \
    ROWS_OF("pg_proc", "") ","                                                                               \
    ROWS_OF("pg_trigger", "AND tgfoid >= 16384") ","                                                         \
    ROWS_OF("pg_rewrite", "") ","                                                                            \
    ROWS_OF("pg_attrdef", "") ","                                                                            \
    ROWS_OF("pg_policy", "") ","                                                                             \
    ROWS_OF("pg_constraint", "AND contype IN ('c', 'f')") ","                                                \
    ROWS_OF("pg_type", "AND typtype = 'd'") ","                                                              \
    ROWS_OF("pg_operator", "") ","                                                                           \
    ROWS_OF("pg_cast", "") ","                                                                               \
    ROWS_OF("pg_event_trigger", "") ","                                                                      \
    DIGEST("xmin::text || ctid::text", "pg_index WHERE indexprs IS NOT NULL OR indpred IS NOT NULL") ","     \
    DIGEST("inhrelid || ' ' || inhparent", "pg_inherits") ","                                                \
    DIGEST("oid || ' ' || relname", "pg_class WHERE oid >= 16384 AND relpersistence <> 't' "                 \
           "AND relkind IN ('r', 'p', 'v', 'm', 'f')")                                                       \
    ")), NULL, NULL;"

/* What a ledger without a control connection goes by; of others' backends the kind may not be seen. */
#define CONNECTIONS                                                                                          \
    "SELECT 'c', current_setting('max_connections'), "                                                       \
    "(current_setting('superuser_reserved_connections')::int "                                               \
    "+ coalesce(nullif(current_setting('reserved_connections', true), ''), '0')::int)::text, "               \
    "(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "                          \
    "OR backend_type IS NULL AND usesysid IS NOT NULL AND datid IS NOT NULL)::text;"

/* Who uses which function, relation or type by the dependencies that PostgreSQL keeps. Users: the function,
 * or the relation or type that something belongs to, or everything (operators, casts and what else has no
 * name). */
#define DEPENDENCIES                                                                                         \
    "SELECT DISTINCT 'u', CASE WHEN d.classid = 'pg_event_trigger'::regclass THEN E'\\x02' "                 \
    "ELSE coalesce(f.proname, rel.relname, ty.typname, E'\\x01') END::text, "                                \
    "coalesce(uf.proname, ur.relname, ut.typname)::text, NULL::text FROM pg_depend d "                       \
    "LEFT JOIN pg_proc f ON d.classid = 'pg_proc'::regclass AND f.oid = d.objid "                            \
    "LEFT JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND r.oid = d.objid "                      \
    "LEFT JOIN pg_attrdef a ON d.classid = 'pg_attrdef'::regclass AND a.oid = d.objid "                      \
    "LEFT JOIN pg_policy p ON d.classid = 'pg_policy'::regclass AND p.oid = d.objid "                        \
    "LEFT JOIN pg_constraint c ON d.classid = 'pg_constraint'::regclass AND c.oid = d.objid "                \
    "LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid "                      \
    "LEFT JOIN pg_index i ON d.classid = 'pg_class'::regclass AND i.indexrelid = d.objid "                   \
    "LEFT JOIN pg_class rel ON rel.oid = coalesce(r.ev_class, a.adrelid, p.polrelid, "                       \
    "nullif(c.conrelid, 0), t.tgrelid, i.indrelid, "                                                         \
    "CASE WHEN d.classid = 'pg_class'::regclass THEN d.objid END) "                                          \
    "LEFT JOIN pg_type ty ON ty.oid = coalesce(nullif(c.contypid, 0), "                                      \
    "CASE WHEN d.classid = 'pg_type'::regclass THEN d.objid END) "                                           \
    "LEFT JOIN pg_proc uf ON d.refclassid = 'pg_proc'::regclass AND uf.oid = d.refobjid "                    \
    "LEFT JOIN pg_class ur ON d.refclassid = 'pg_class'::regclass AND ur.oid = d.refobjid "                  \
    "LEFT JOIN pg_type ut ON d.refclassid = 'pg_type'::regclass AND ut.oid = d.refobjid "                    \
    "WHERE d.refobjid >= 16384 AND (d.refclassid = 'pg_proc'::regclass "                                     \
    "OR d.refclassid = 'pg_class'::regclass AND d.classid IN ('pg_rewrite'::regclass, 'pg_proc'::regclass, " \
    "'pg_policy'::regclass) "                                                                                \
    "OR d.refclassid = 'pg_type'::regclass AND d.classid IN ('pg_class'::regclass, 'pg_type'::regclass, "    \
    "'pg_proc'::regclass, 'pg_rewrite'::regclass)) "                                                         \
    "AND coalesce(uf.proname, ur.relname, ut.typname) IS NOT NULL "

/* What a referenced table does to those that refer to it, and a parent to its children. */
#define CASCADES                                                                                             \
    "UNION ALL SELECT 'u', one.relname, other.relname, NULL FROM pg_constraint c "                           \
    "JOIN pg_class one ON one.oid = c.confrelid JOIN pg_class other ON other.oid = c.conrelid "              \
    "WHERE c.contype = 'f' AND (c.confdeltype IN ('c', 'n', 'd') OR c.confupdtype IN ('c', 'n', 'd')) "      \
    "UNION ALL SELECT 'u', one.relname, other.relname, NULL FROM pg_inherits i "                             \
    "JOIN pg_class one ON one.oid = i.inhparent JOIN pg_class other ON other.oid = i.inhrelid;"

/* Expressions as trees, and whose they are. Functions with a body of SQL, not of text, have an empty source;
 * older servers have no such column. */
#define TREES                                                                                                \
    "trees(owner, tree) AS ("                                                                                \
    "SELECT c.relname, concat(r.ev_action, r.ev_qual) FROM pg_rewrite r "                                    \
    "JOIN pg_class c ON c.oid = r.ev_class WHERE r.oid >= 16384 "                                            \
    "UNION ALL SELECT c.relname, d.adbin::text FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid "      \
    "UNION ALL SELECT c.relname, concat(p.polqual, p.polwithcheck) FROM pg_policy p "                        \
    "JOIN pg_class c ON c.oid = p.polrelid "                                                                 \
    "UNION ALL SELECT coalesce(c.relname, t.typname), o.conbin::text FROM pg_constraint o "                  \
    "LEFT JOIN pg_class c ON c.oid = o.conrelid LEFT JOIN pg_type t ON t.oid = o.contypid "                  \
    "WHERE o.oid >= 16384 AND o.conbin IS NOT NULL AND coalesce(c.oid, t.oid) IS NOT NULL "                  \
    "UNION ALL SELECT typname, typdefaultbin::text FROM pg_type WHERE typdefaultbin IS NOT NULL "            \
    "UNION ALL SELECT c.relname, concat(i.indexprs, i.indpred) FROM pg_index i "                             \
    "JOIN pg_class c ON c.oid = i.indrelid "                                                                 \
    "WHERE i.indrelid >= 16384 AND (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL) "                       \
    "UNION ALL SELECT c.relname, t.tgqual::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "     \
    "WHERE t.tgqual IS NOT NULL "                                                                            \
    "UNION ALL SELECT proname, proargdefaults::text FROM pg_proc "                                           \
    "WHERE oid >= 16384 AND proargdefaults IS NOT NULL "                                                     \
    "UNION ALL SELECT f.proname, to_jsonb(f) ->> 'prosqlbody' FROM pg_proc f "                               \
    "WHERE f.oid >= 16384 AND f.prosrc = '') "

/* Whose tree calls a built-in function that matters, or has pg_settings in it; and functions that are another
 * name for a built-in one, or for a function of a library. `names` stands before this. */
#define BUILT_IN                                                                                             \
    ", named AS (SELECT oid, proname::text, prosrc FROM pg_proc WHERE oid < 16384 "                          \
    "AND proname IN (SELECT name FROM names) "                                                               \
    "UNION ALL SELECT oid, relname::text, NULL FROM pg_class WHERE oid = 'pg_settings'::regclass), "         \
    "pattern AS (SELECT ':(?:funcid|opfuncid|aggfnoid|winfnoid|relid) (' || string_agg(oid::text, '|') "     \
    "|| ')[ }]' AS pattern FROM named), " TREES                                                              \
    "SELECT DISTINCT 'b', owner::text, named.proname, NULL FROM trees, pattern, "                            \
    "LATERAL regexp_matches(tree, pattern, 'g') found JOIN named ON named.oid = found[1]::oid "              \
    "UNION SELECT 'b', f.proname::text, named.proname, NULL FROM pg_proc f JOIN pg_language l "              \
    "ON l.oid = f.prolang JOIN named ON named.prosrc = f.prosrc "                                            \
    "WHERE f.oid >= 16384 AND l.lanname = 'internal' "                                                       \
    "UNION SELECT 'b', f.proname::text, f.prosrc, NULL FROM pg_proc f JOIN pg_language l "                   \
    "ON l.oid = f.prolang JOIN names ON names.name = f.prosrc "                                              \
    "WHERE f.oid >= 16384 AND l.lanname = 'c';"

/* First all names, so that a source is recognised in which they are mentioned. */
#define SOURCES                                                                                              \
    "SELECT DISTINCT 'n', proname::text, NULL, NULL FROM pg_proc WHERE oid >= 16384;"                        \
    "SELECT 's', f.proname::text, CASE WHEN octet_length(f.prosrc) <= 1000000 THEN f.prosrc END, "           \
    "l.lanname::text FROM pg_proc f JOIN pg_language l ON l.oid = f.prolang "                                \
    "WHERE f.oid >= 16384 AND l.lanname NOT IN ('internal', 'c') AND f.prosrc <> '';"

/* The names are those of keywords.def; what is no function among them is found nowhere. */
static const char read_query[] = FOR_THIS_QUERY FINGERPRINT CONNECTIONS DEPENDENCIES CASCADES
    "WITH names(name) AS (VALUES ('')"
#define WORD(id, text, ...)
#define LIVE(id, text, ...)
#define NAME(id, text, ...) ", ('" text "')"
#include "gateway/session/keywords.def"
#undef WORD
#undef LIVE
#undef NAME
    ")" BUILT_IN SOURCES;

static const char check_query[] = FOR_THIS_QUERY FINGERPRINT CONNECTIONS;

const char *catalog_check_query(void)
{
    return check_query;
}

const char *catalog_read_query(void)
{
    return read_query;
}
