/* SPDX-License-Identifier: PostgreSQL
 * hba_match - finds the rule for a connection: the first one whose every column fits. */
#include <sys/socket.h>

#include "gateway/auth/hba.h"
#include "gateway/base/check.h"

static bool connection_fits(const struct hba_rule *rule, const struct hba_question *question)
{
    bool local = question->address == NULL || question->address->sa_family == AF_UNIX;

    switch (rule->type) {
    case HBA_LOCAL: return local;
    case HBA_HOST:
    case HBA_HOSTNOGSSENC: break;
    case HBA_HOSTSSL:
        if (!question->tls)
            return false;
        break;
    case HBA_HOSTNOSSL:
        if (question->tls)
            return false;
        break;
    case HBA_HOSTGSSENC: return false;
    }
    return !local && hba_address_match(&rule->addresses, question->address);
}

static enum hba_answer database_fits(const struct hba_rule *rule, const struct hba_question *question)
{
    if (question->replication)
        return hba_names_match_replication(rule->databases) ? HBA_YES : HBA_NO;
    return hba_names_match_database(rule->databases, question->database, question->user, &question->members);
}

/* When in doubt nobody is let in: an unknown membership neither opens a door nor slips past a bolt. */
static bool rule_fits(const struct hba_rule *rule, const struct hba_question *question)
{
    enum hba_answer enough = rule->method == AUTH_REJECT ? HBA_UNKNOWN : HBA_YES;
    enum hba_answer answer;

    if (!connection_fits(rule, question))
        return false;
    answer = database_fits(rule, question);
    if (answer != HBA_YES && answer != enough)
        return false;
    answer = hba_names_match_user(rule->users, question->user, &question->members);
    return answer == HBA_YES || answer == enough;
}

const struct hba_rule *hba_match(const struct hba *hba, const struct hba_question *question)
{
    const struct hba_rule *rule = hba_first(hba);

    CHECK(question->user != NULL && (question->replication || question->database != NULL));
    while (rule != NULL && !rule_fits(rule, question))
        rule = rule->next;
    return rule;
}
