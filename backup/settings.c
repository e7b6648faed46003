/* SPDX-License-Identifier: PostgreSQL
 * settings - what a new server should be set up like: settings that differ from their defaults, those of
 * roles and databases, and who may connect, as far as the role may read it. */
#include "backup/settings.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "backup/failure.h"
#include "backup/logical.h"
#include "backup/pipeline.h"
#include "backup/session.h"
#include "backup/work.h"
#include "gateway/base/arena.h"

static const char settings_sql[] =
    "SELECT jsonb_pretty(jsonb_build_object('server_version', version(), 'settings',"
    " (SELECT jsonb_agg(jsonb_build_object('name', name, 'value', setting, 'unit', unit, 'source', source,"
    " 'file', sourcefile) ORDER BY name) FROM pg_settings"
    " WHERE source NOT IN ('default', 'override', 'client', 'session')), 'of_roles_and_databases',"
    " (SELECT jsonb_agg(jsonb_build_object('database', datname, 'role', rolname, 'settings', setconfig))"
    " FROM pg_db_role_setting LEFT JOIN pg_database d ON d.oid = setdatabase"
    " LEFT JOIN pg_roles r ON r.oid = setrole)))";

/* Only who may call it gets an answer, and asking without the right is an error. */
static const char hba_sql[] =
    "SELECT coalesce(jsonb_pretty(jsonb_agg(to_jsonb(rule))), 'null') FROM pg_hba_file_rules AS rule";
static const char may_sql[] =
    "SELECT has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE')"
    " AND has_table_privilege('pg_catalog.pg_hba_file_rules', 'SELECT')";

static const char *text_ask(const struct logical *logical, struct arena *arena, struct fault *fault)
{
    const char *settings = session_value(logical->control, settings_sql, arena, fault);
    const char *may = settings == NULL ? NULL : session_value(logical->control, may_sql, arena, fault);
    const char *hba = may == NULL      ? NULL
                      : may[0] != 't' ? "null"
                                      : session_value(logical->control, hba_sql, arena, fault);

    return hba == NULL ? NULL
                       : arena_format(arena, "{\"server\": %s,\n\"pg_hba\": %s}\n", settings, hba);
}

bool settings_save(const struct logical *logical, struct stored *stored, struct arena *arena,
                   struct fault *fault)
{
    const char *text = text_ask(logical, arena, fault);
    int fd;

    if (text == NULL)
        return false;
    fd = memfd_create("settings", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET) != 0) {
        failure_storage(fault, "write", "settings");
        if (fd >= 0)
            close(fd);
        return false;
    }
    return pipeline_pack(logical->pipeline, logical->work, fd, stored, fault) &&
           pump_finish(&logical->work->pump, &logical->work->pulse, fault);
}
