# SPDX-License-Identifier: PostgreSQL
"""state_known - scripts whose transcript is known to differ from a direct connection's, each with what differs."""

KNOWN = {
    "ALTER ROLE SET and ALTER DATABASE SET reach new logins": "what a direct connection changes is not noticed; what "
                                                              "passes through the gateway is (test_state_defaults)",
}
