/* SPDX-License-Identifier: PostgreSQL
 * fuzz_hba - any file of rules, and any file of maps, is refused with a sentence for each problem, or it
 * decides the same about the same question twice. The input's first newline ends the names that are asked
 * about. */
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "conf/problems.h"
#include "gateway/auth/hba.h"
#include "gateway/auth/hba_ldap.h"
#include "gateway/auth/hba_regex.h"
#include "gateway/auth/ident.h"
#include "gateway/base/arena.h"
#include "gateway/base/check.h"
#include "gateway/base/fault.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAME_BYTES = 64 };

static enum hba_answer answer(void *context, const char *role, const char *user)
{
    (void)context;
    return (enum hba_answer)((strlen(role) + strlen(user)) % 3);
}

static void rule_check(const struct hba_rule *rule)
{
    CHECK(rule->line > 0 && rule->databases != NULL && rule->users != NULL && rule->method != AUTH_HBA);
    CHECK((rule->method == AUTH_LDAP) == (rule->ldap != NULL));
    CHECK(rule->next == NULL || rule->next->line > rule->line);
    CHECK(rule->method != AUTH_CERT || rule->type == HBA_HOSTSSL);
    CHECK(rule->method != AUTH_CERT || rule->clientcert == HBA_CLIENTCERT_FULL);
    CHECK(rule->method != AUTH_PEER || rule->type == HBA_LOCAL);
    CHECK(!rule->addresses.wants_mask);
}

static void refusal_check(const struct problems *problems, const struct fault *fault)
{
    CHECK(fault->message[0] != '\0' && strlen(fault->sqlstate) == 5 && problems->count > 0);
    for (const struct problem *one = problems->first; one != NULL; one = one->next)
        CHECK(one->file != NULL && one->text[0] != '\0');
}

static void questions_ask(const struct hba *hba, const char *name)
{
    struct sockaddr_in v4 = { .sin_family = AF_INET };
    struct sockaddr_in6 v6 = { .sin6_family = AF_INET6 };
    const struct sockaddr *addresses[] = { NULL, (struct sockaddr *)&v4, (struct sockaddr *)&v6 };

    memcpy(&v4.sin_addr, name, sizeof v4.sin_addr);
    memcpy(&v6.sin6_addr, name, sizeof v6.sin6_addr);
    for (unsigned i = 0; i < 24; i++) {
        struct hba_question question = { name, name + i % 3, i % 4 == 3, i % 8 > 3, addresses[i % 3],
                                         { i > 11 ? answer : NULL, NULL } };
        const struct hba_rule *rule = hba_match(hba, &question);

        CHECK(rule == hba_match(hba, &question));
        CHECK(rule == NULL || (rule->type == HBA_LOCAL) == (i % 3 == 0));
    }
}

static void hba_try(const char *text, size_t size, const char *name)
{
    struct fault fault = { .sqlstate = "" };
    struct problems problems;
    struct hba *hba;
    size_t count = 0;

    CHECK(problems_init(&problems));
    hba = hba_parse(text, size, "hba.conf", &problems, &fault);
    if (hba == NULL) {
        refusal_check(&problems, &fault);
    } else {
        CHECK(problems.count == 0);
        for (const struct hba_rule *rule = hba_first(hba); rule != NULL; rule = rule->next, count++)
            rule_check(rule);
        CHECK(count == hba_count(hba) && count > 0);
        questions_ask(hba, name);
    }
    hba_free(hba);
    problems_free(&problems);
}

static void ident_try(const char *text, size_t size, const char *name)
{
    struct ident_question question = { name, name, { answer, NULL } };
    struct fault fault = { .sqlstate = "" };
    struct problems problems;
    struct ident *ident;

    CHECK(problems_init(&problems));
    ident = ident_parse(text, size, "ident.conf", &problems, &fault);
    if (ident == NULL)
        refusal_check(&problems, &fault);
    CHECK(ident_match(ident, NULL, &question));
    for (size_t i = 0; i < 4 && ident != NULL; i++) {
        question.database_user = name + i;
        CHECK(ident_match(ident, "m", &question) == ident_match(ident, "m", &question));
    }
    ident_free(ident);
    problems_free(&problems);
}

/* What is taken apart byte by byte, in memory that ends where the text does. */
static void parts_try(const uint8_t *data, size_t size)
{
    struct hba_regexes regexes = { .arena = arena_new() };
    struct hba_ldap ldap = { .scheme = "ldap" };
    char *text = malloc(size + 1), why[400] = "";
    const regex_t *regex;

    CHECK(text != NULL && regexes.arena != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    regex = hba_regex_make(&regexes, text, why, sizeof why);
    CHECK((regex == NULL) == (why[0] != '\0'));
    if (regex != NULL)
        (void)regexec(regex, text, 0, NULL, 0);
    why[0] = '\0';
    CHECK(hba_ldap_url(&ldap, regexes.arena, text, why, sizeof why) == (why[0] == '\0'));
    hba_regexes_free(&regexes);
    arena_free(regexes.arena);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size == 0 ? NULL : memchr(data, '\n', size);
    size_t name_bytes = newline == NULL ? 0 : (size_t)(newline - data);
    const char *text = newline == NULL ? (const char *)data : (const char *)newline + 1;
    size_t text_bytes = newline == NULL ? size : size - name_bytes - 1;
    char name[NAME_BYTES] = "";

    memcpy(name, data, name_bytes < NAME_BYTES - 1 ? name_bytes : 0);
    parts_try(data, newline == NULL ? size : name_bytes);
    hba_try(text, text_bytes, name);
    ident_try(text, text_bytes, name);
    return 0;
}
