"""What becomes of the mentions of an account that is removed."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [("connect", "0006_authorization")]

    operations = [
        migrations.AddField(model_name="account", name="mentions", field=models.CharField(default="", max_length=10)),
        migrations.AddField(model_name="account", name="mentions_deleted", field=models.IntegerField(default=0)),
        migrations.AddField(model_name="account", name="mentions_left", field=models.IntegerField(null=True)),
    ]
