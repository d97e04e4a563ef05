"""What was reported of answers of an account, where nobody says of which recipient."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connect", "0007_leaving"),
    ]

    operations = [
        migrations.AddField(model_name="account", name="reported", field=models.CharField(default="", max_length=20)),
        migrations.AddField(model_name="account", name="reported_at", field=models.DateTimeField(null=True)),
    ]
