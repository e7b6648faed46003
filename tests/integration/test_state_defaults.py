# SPDX-License-Identifier: PostgreSQL
"""test_state_defaults - ALTER ROLE and ALTER DATABASE through the gateway: new logins have the new defaults at once."""

import pytest

from programs import eventually


@pytest.mark.parametrize("target", ["role app", "database app", "role app in database app"])
def test_a_changed_default_reaches_the_next_login_and_not_the_sessions_before(gateway, target):
    pool = gateway(pool=2, workers=1)
    with pool.login() as before:
        assert before.value("show work_mem") == "4MB"
        with pool.login(user="postgres") as owner:
            for value in ("77kB", "99kB"):
                owner.query(f"alter {target} set work_mem = '{value}'")
                with pool.login() as after:
                    assert after.value("show work_mem") == value
                    assert after.value("set work_mem = '1MB'; reset work_mem; show work_mem") == value
                    after.leave()
            owner.query(f"alter {target} reset work_mem")
            owner.leave()
        with pool.login() as last:
            assert last.value("show work_mem") == "4MB"
            last.leave()
        before.leave()


@pytest.mark.parametrize("statement", ["drop database if exists state_gone", "alter database state_gone rename to state_new",
                                       "create database state_copy template state_gone"])
def test_idle_servers_make_way_for_statements_about_their_database(gateway, postgres, statement):
    for name in ("state_gone", "state_new", "state_copy"):
        postgres.sql(f"drop database if exists {name}")
    postgres.sql("create database state_gone")
    pool = gateway(pool=2, workers=2)
    clients = [pool.login(database="state_gone") for _ in range(2)]
    for client in clients:
        assert client.value("select current_database()") == "state_gone"
    with pool.login(user="postgres") as owner:
        owner.rows(statement)
        owner.leave()
    for client in clients:
        client.close()


def test_a_default_that_was_changed_beside_the_gateway_reaches_new_logins_soon(gateway, postgres):
    pool = gateway(pool=2, auth={"auth_type": "trust", "auth_user": "stats"}, budget={"control_interval": "100ms"})
    with pool.login() as before:
        assert before.value("show work_mem") == "4MB"
        try:
            postgres.sql("alter role app set work_mem = '88kB'")

            def reached():
                with pool.login() as after:
                    found = after.value("show work_mem")
                    after.leave()
                return found == "88kB"

            eventually(reached, 10, what="the new default of a role")
            assert before.value("show work_mem") in ("4MB", "88kB")
        finally:
            postgres.sql("alter role app reset work_mem")
        before.leave()
