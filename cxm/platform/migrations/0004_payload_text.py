from django.db import migrations, models


class Migration(migrations.Migration):
    """A batch of mentions as ``jsonb`` took PostgreSQL ten times as long as its text; nobody asks for what is inside."""

    dependencies = [("platform", "0003_payload_uncompressed")]
    operations = [
        migrations.AlterField("eventlog", "payload", models.TextField()),
        # A new type takes its own way of storing: uncompressed again.
        migrations.RunSQL(
            "alter table platform_eventlog alter column payload set storage external",
            "alter table platform_eventlog alter column payload set storage extended",
        ),
    ]
