# SPDX-License-Identifier: PostgreSQL
"""state_objects - what the scripts of session state work on: roles, schemas, tenants, functions with effects."""

ROLES = """
create role state_a;
create role state_b;
grant state_a, state_b to app
"""

SCHEMA = """
create extension if not exists dblink;
grant execute on function dblink_connect_u(text, text) to app;
create schema here authorization app;
create schema there authorization app;
set role app;
create table here.place (name text);
insert into here.place values ('here');
create table there.place (name text, other int);
insert into there.place values ('there', 1);
create table tenants (tenant int, body text);
insert into tenants select n % 3, 'row ' || n from generate_series(1, 9) n;
alter table tenants enable row level security;
alter table tenants force row level security;
create policy own on tenants using (tenant = nullif(current_setting('app.tenant_id', true), '')::int);
create table role_rows (owner name, body text);
insert into role_rows values ('state_a', 'for a'), ('state_b', 'for b'), ('app', 'for app');
alter table role_rows enable row level security;
alter table role_rows force row level security;
create policy own on role_rows using (owner = current_user);
grant select on role_rows to state_a, state_b;
create sequence numbers;
create table serials (id serial primary key, body text);
create table touched (id int, note text);
create table defaulted (id int, who text default set_config('app.who', 'by default', false));
create view setting_view as select set_config('app.who', 'by view', false) as found;
create view lock_view as select pg_try_advisory_lock(4711) as locked;
create function set_sql(name text, value text) returns text language sql as
  $$ select set_config($1, $2, false) $$;
create function set_plpgsql(name text, value text) returns void language plpgsql as
  $$ begin perform set_config(name, value, false); end $$;
create function set_dynamic(name text, value text) returns void language plpgsql as
  $$ begin execute format('set %s = %L', name, value); end $$;
create function set_computed(tail text, value text) returns void language plpgsql as
  $$ begin perform set_config('app.' || tail, value, false); end $$;
create function set_outer(name text, value text) returns void language plpgsql as
  $$ begin perform set_dynamic(name, value); end $$;
create function set_caught(name text, value text) returns text language plpgsql as
  $$ begin perform set_config(name, value, false); perform 1 / 0; return 'not caught';
     exception when division_by_zero then return 'caught'; end $$;
create function set_own(value text) returns text language plpgsql set work_mem = '5MB' as
  $$ begin perform set_config('app.who', value, false); return current_setting('work_mem'); end $$;
create function set_role_dynamic(name text) returns void language plpgsql as
  $$ begin execute format('set role %I', name); end $$;
create function reset_dynamic() returns void language plpgsql as $$ begin execute 'reset all'; end $$;
create function make_temp(name text) returns void language plpgsql as
  $$ begin execute format('create temp table %I as select %L::text as made_by', name, 'function'); end $$;
create function make_temp_sql() returns void language sql as $$ create temp table made (a int) $$;
create function take_lock(key int) returns void language plpgsql as
  $$ begin perform pg_advisory_lock(key); end $$;
create function take_lock_sql(key int) returns void language sql as $$ select pg_advisory_lock($1::bigint) $$;
create function prepare_dynamic(name text) returns void language plpgsql as
  $$ begin execute format('prepare %I as select %L::text', name, 'prepared in a function'); end $$;
create function listen_dynamic(name text) returns void language plpgsql as
  $$ begin execute format('listen %I', name); end $$;
create function notify_dynamic(name text, payload text) returns void language plpgsql as
  $$ begin perform pg_notify(name, payload); end $$;
create function declare_hold(name text) returns void language plpgsql as
  $$ begin execute format('declare %I cursor with hold for select generate_series(1, 5)', name); end $$;
create function next_number() returns bigint language plpgsql as $$ begin return nextval('numbers'); end $$;
create function touch() returns trigger language plpgsql as
  $$ begin perform set_config('app.tenant_id', new.id::text, false); return new; end $$;
create trigger touch before insert on touched for each row execute function touch();
create table locked (id int);
create function lock_row() returns trigger language plpgsql as
  $$ begin perform pg_advisory_lock(new.id); return new; end $$;
create trigger lock_row after insert on locked for each row execute function lock_row();
create procedure set_twice(value text) language plpgsql as
  $$ begin perform set_config('app.who', value || ' first', false); commit;
     perform set_config('app.tenant_id', value, false); rollback;
     perform set_config('app.last', value, false); end $$;
create procedure set_role_procedure(name text) language plpgsql as
  $$ begin execute format('set role %I', name); end $$;
create function where_am_i() returns text language plpgsql as
  $$ declare found text; begin select name into found from place; return found; end $$;
reset role
"""


def prepare_state(postgres):
    """Makes the objects, once a server."""
    if postgres.value("select count(*) from pg_roles where rolname = 'state_a'", dbname="postgres"):
        return
    postgres.sql(ROLES, dbname="postgres")
    with postgres.connect() as connection:
        connection.execute(SCHEMA)
