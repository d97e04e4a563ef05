from django.db import migrations, models


class Migration(migrations.Migration):
    """An event that is set aside says why; tries that were cut off while others went on are counted apart."""

    dependencies = [("platform", "0005_waitingevent")]
    operations = [
        migrations.AddField("waitingevent", "cut_offs", models.IntegerField(default=0)),
        migrations.AddField("waitingevent", "error", models.CharField(default="", max_length=200)),
        migrations.AddIndex(
            "waitingevent",
            models.Index(fields=["failed_at"], name="waiting_event_failed", condition=models.Q(failed_at__isnull=False)),
        ),
    ]
