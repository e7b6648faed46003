# SPDX-License-Identifier: PostgreSQL
"""django_settings - the databases that Django's own suite runs on; nothing is tuned for a pooler."""

import os


def database(name):
    return {"ENGINE": "django.db.backends.postgresql", "NAME": name, "USER": os.environ["PGUSER"],
            "HOST": os.environ["PGHOST"], "PORT": os.environ["PGPORT"], "TEST": {"NAME": name}}


DATABASES = {"default": database("suite_django"), "other": database("suite_django_other")}
SECRET_KEY = "of no use to anybody"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "django_runner.Runner"
