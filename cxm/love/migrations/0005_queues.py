"""Queues are rows of their own; the text that stood for them before was never written."""

import cxm.kernel.ids
import django.db.models.deletion
import django.db.models.manager
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("love", "0004_promises")]

    operations = [
        migrations.CreateModel(
            name="Queue",
            fields=[
                ("id", models.UUIDField(default=cxm.kernel.ids.new_id, editable=False, primary_key=True, serialize=False)),
                ("organization_id", models.UUIDField(editable=False)),
                ("name", models.CharField(max_length=120)),
                ("position", models.IntegerField()),
                ("query", models.TextField(default="")),
                ("channel", models.CharField(default="", max_length=40)),
                ("account_id", models.UUIDField(null=True)),
                ("language", models.CharField(default="", max_length=35)),
                ("is_default", models.BooleanField(default=False)),
            ],
            options={
                "abstract": False,
                "base_manager_name": "everywhere",
                "default_manager_name": "everywhere",
                "constraints": [
                    models.UniqueConstraint(fields=("organization_id", "name"), name="love_queue_name_once"),
                    models.UniqueConstraint(
                        condition=models.Q(("is_default", True)), fields=("organization_id",), name="love_queue_one_default"
                    ),
                ],
            },
            managers=[("everywhere", django.db.models.manager.Manager())],
        ),
        migrations.RemoveField(model_name="conversation", name="queue"),
        migrations.AddField(
            model_name="conversation",
            name="queue",
            field=models.ForeignKey(
                db_index=False, null=True, on_delete=django.db.models.deletion.SET_NULL, related_name="+", to="love.queue"
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                condition=models.Q(("queue__isnull", False)),
                fields=["organization_id", "queue", "-last_at", "-id"],
                name="love_conversation_queue",
            ),
        ),
        migrations.AddIndex(
            model_name="conversation",
            index=models.Index(
                condition=models.Q(("queue__isnull", False), models.Q(("state", "closed"), _negated=True)),
                fields=["organization_id", "state", "queue", "unit_id"],
                include=("id",),
                name="love_conversation_queued",
            ),
        ),
    ]
