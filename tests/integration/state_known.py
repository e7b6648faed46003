# SPDX-License-Identifier: PostgreSQL
"""state_known - scripts whose transcript is known to differ from a direct connection's, each with what differs."""

KNOWN = {
    "RESET goes to the startup packet's value": "application_name after RESET: pg_settings says it was SET, and within "
                                                "the same pipeline it is empty",
    "application_name in pg_stat_activity": "application_name after RESET is empty until the next transaction",
    "ALTER ROLE SET and ALTER DATABASE SET reach new logins": "what a direct connection changes is not noticed; what "
                                                              "passes through the gateway is (test_state_defaults)",
    "sequence state in and after transactions": "lastval asked in a transaction block, on a server where another "
                                                "client drew last, tells that client's",
    "currval and lastval": "the sequence state of an earlier transaction is lost when another client wrote through "
                           "that server before currval was asked for the first time",
    "set_config computed": "the session keeps its server: with a pool of one nobody else gets any",
    "DDL that changes the result": "a client that never asked for the description of its statement gets the new "
                                   "columns in place of PostgreSQL's error",
}
