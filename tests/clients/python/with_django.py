# SPDX-License-Identifier: PostgreSQL
"""with_django - what users of Django do: autocommit, atomic blocks, iterators on the server, a test database."""

import django
from django.conf import settings
from django.db import IntegrityError, connection as default, models, transaction
from django.db.backends.postgresql.base import DatabaseWrapper
from django.test.utils import setup_databases, teardown_databases

from session import ADDRESS

DATABASE = {"ENGINE": "django.db.backends.postgresql", "NAME": ADDRESS["database"], "USER": ADDRESS["user"],
            "HOST": ADDRESS["host"], "PORT": ADDRESS["port"], "CONN_MAX_AGE": None}
settings.configure(DATABASES={"default": DATABASE}, USE_TZ=True, TIME_ZONE="Asia/Tokyo",
                   DEFAULT_AUTO_FIELD="django.db.models.AutoField")
django.setup()


class Thing(models.Model):
    name = models.TextField(unique=True)
    made = models.DateTimeField(auto_now_add=True)

    class Meta:
        app_label = "ours"
        db_table = "things_of_django"


def connect(startup=None):
    given = {key: value for key, value in (startup or {}).items() if key not in ("application_name", "timezone")}
    options = {"options": " ".join(f"-c {key}={value}" for key, value in given.items())}
    if startup and "application_name" in startup:
        options["application_name"] = startup["application_name"]
    # Django sets the time zone itself, when it has connected.
    wrapped = default.settings_dict | {"OPTIONS": {key: value for key, value in options.items() if value},
                                       "TIME_ZONE": (startup or {}).get("timezone")}
    return DatabaseWrapper(wrapped, "default")


def ask(connection, sql, values=()):
    with connection.cursor() as cursor:
        cursor.execute(sql.replace("$1", "%s").replace("$2", "%s"), list(values) or None)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def close(connection):
    connection.close()


def sqlstate(trouble):
    return getattr(trouble.__cause__, "pgcode", None)


def mapped():
    """.iterator() outside a transaction is a WITH HOLD cursor; each block within a block is a savepoint."""
    with default.schema_editor() as editor:
        editor.execute("drop table if exists things_of_django")
        editor.create_model(Thing)
    Thing.objects.bulk_create(Thing(name=f"thing {n}") for n in range(500))
    found = [sum(1 for _ in Thing.objects.iterator(chunk_size=7))]
    with transaction.atomic():
        try:
            with transaction.atomic():
                Thing.objects.create(name="thing 1")
        except IntegrityError as trouble:
            found.append(sqlstate(trouble))
        Thing.objects.create(name="another")
        found.append(Thing.objects.select_for_update().count())
    first, second = Thing.objects.all().iterator(chunk_size=5), Thing.objects.order_by("-id").iterator(chunk_size=5)
    found.append(sum(1 for _ in zip(first, second)))
    found.append(Thing.objects.filter(made__date__isnull=False).count())
    with default.schema_editor() as editor:
        editor.delete_model(Thing)
    default.close()
    return found


def test_database():
    """What `manage.py test` does before and after: CREATE DATABASE, work in it, DROP DATABASE."""
    old = setup_databases(verbosity=0, interactive=False)
    with default.cursor() as cursor:
        cursor.execute("select current_database()::text")
        found = [cursor.fetchone()[0]]
    teardown_databases(old, verbosity=0)
    default.close()
    return found
