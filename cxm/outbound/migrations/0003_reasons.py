"""Why a reply was not delivered, as a word."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("outbound", "0002_uploads"),
    ]

    operations = [
        migrations.AddField(
            model_name="intent",
            name="reason",
            field=models.CharField(default="", max_length=20),
        ),
    ]
