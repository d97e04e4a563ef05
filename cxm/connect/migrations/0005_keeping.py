from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("connect", "0004_sources"),
    ]

    operations = [
        migrations.AddField("account", "limits", models.JSONField(default=list)),
        migrations.AddField("source", "state", models.CharField(default="active", max_length=10)),
        migrations.AddField("source", "health", models.CharField(default="", max_length=500)),
        migrations.AddField("source", "mend", models.CharField(default="", max_length=500)),
        migrations.AddField("source", "last_heard_at", models.DateTimeField(null=True)),
        migrations.AddField("source", "last_ok_at", models.DateTimeField(null=True)),
        migrations.AddField("source", "next_look_at", models.DateTimeField(null=True)),
    ]
