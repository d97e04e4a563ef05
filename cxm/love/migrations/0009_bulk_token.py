"""A run goes on with the rights of the token it was begun with, and says why it ended early."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("love", "0008_erased")]
    operations = [
        migrations.AddField("bulkrun", "token", models.UUIDField(null=True)),
        migrations.AddField("bulkrun", "ending", models.CharField(default="", max_length=20)),
    ]
