import django.db.models.manager
from django.db import migrations, models

import cxm.kernel.ids


class Migration(migrations.Migration):
    """Addresses nothing is sent to."""

    dependencies = [("outbound", "0003_reasons")]
    operations = [
        migrations.CreateModel(
            name="Suppressed",
            fields=[
                ("id", models.UUIDField(default=cxm.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("address", models.CharField(max_length=320)),
                ("reason", models.CharField(max_length=20)),
                ("detail", models.CharField(default="", max_length=1000)),
                ("at", models.DateTimeField()),
            ],
            options={
                "abstract": False,
                "base_manager_name": "everywhere",
                "default_manager_name": "everywhere",
                "constraints": [models.UniqueConstraint(fields=("organization_id", "address"), name="suppressed_once")],
            },
            managers=[("everywhere", django.db.models.manager.Manager())],
        ),
    ]
