import django.utils.timezone
from django.db import migrations, models

import cxm.kernel.ids


class Migration(migrations.Migration):
    dependencies = [("listen", "0003_no_native_index")]
    operations = [
        migrations.CreateModel(
            name="Removal",
            fields=[
                ("id", models.UUIDField(default=cxm.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("erasure", models.UUIDField(null=True)),
                ("account_id", models.UUIDField(null=True)),
                ("channel", models.CharField(max_length=40)),
                ("needle", models.TextField(default="")),
                ("since", models.DateTimeField()),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "everywhere",
                "default_manager_name": "everywhere",
                "indexes": [models.Index(fields=["organization_id", "erasure"], name="removal_open")],
            },
            managers=[("everywhere", models.manager.Manager())],
        ),
    ]
