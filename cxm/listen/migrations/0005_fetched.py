import cxm.kernel.ids
import django.db.models.manager
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("listen", "0004_removal"),
    ]

    operations = [
        migrations.CreateModel(
            name="FetchedFile",
            fields=[
                ("id", models.UUIDField(default=cxm.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("mention_id", models.UUIDField()),
                ("place", models.CharField(max_length=64)),
                ("kind", models.CharField(default="", max_length=10)),
                ("width", models.IntegerField(default=0)),
                ("height", models.IntegerField(default=0)),
                ("size", models.BigIntegerField(default=0)),
                ("fault", models.CharField(default="", max_length=20)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "everywhere",
                "default_manager_name": "everywhere",
                "indexes": [models.Index(fields=["organization_id", "at"], name="fetched_file_at")],
                "constraints": [models.UniqueConstraint(fields=("organization_id", "mention_id", "place"), name="fetched_file_once")],
            },
            managers=[
                ("everywhere", django.db.models.manager.Manager()),
            ],
        ),
    ]
