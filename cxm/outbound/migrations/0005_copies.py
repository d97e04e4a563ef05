"""What became of each copy of a reply, and what was reported of nobody in particular."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("outbound", "0004_suppressed"),
    ]

    operations = [
        migrations.AddField(model_name="intent", name="copies", field=models.JSONField(default=dict)),
        migrations.AddField(model_name="intent", name="reports", field=models.JSONField(default=list)),
    ]
