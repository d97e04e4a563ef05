"""Whose a lease is: a process that lost it, because it slept, neither renews it nor turns the cursor back."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("connect", "0008_reports")]
    operations = [migrations.AddField("account", "leased_by", models.UUIDField(null=True))]
