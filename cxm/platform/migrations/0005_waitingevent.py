import django.utils.timezone
from django.db import migrations, models

#: Events that waited in a job each wait in a lane now; a periodic job finds those nobody woke.
_MOVE = """
do $$ begin
  if to_regclass('procrastinate_jobs') is not null then
    insert into platform_waitingevent (event_id, subscriber, lane, at, tries)
      select (j.args->>'event')::bigint, j.args->>'subscriber', j.lock, now() - interval '1 hour', 0 from procrastinate_jobs j
      where j.task_name = 'platform.deliver_event' and j.status in ('todo', 'doing') and not exists (
        select 1 from platform_eventdelivery d where d.event_id = (j.args->>'event')::bigint and d.subscriber = j.args->>'subscriber')
      order by j.id;
    delete from procrastinate_jobs where task_name = 'platform.deliver_event' and status in ('todo', 'doing');
  end if;
end $$
"""


class Migration(migrations.Migration):
    """An event that waits is a row, gone when it is handled: many can be handed over together, and no marks of old ones are kept."""

    dependencies = [("platform", "0004_payload_text")]
    operations = [
        migrations.CreateModel(
            name="WaitingEvent",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("event_id", models.BigIntegerField()),
                ("subscriber", models.CharField(max_length=120)),
                ("lane", models.CharField(max_length=250)),
                ("at", models.DateTimeField(default=django.utils.timezone.now)),
                ("tries", models.IntegerField(default=0)),
                ("failed_at", models.DateTimeField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(fields=["lane", "id"], name="waiting_event_lane"),
                    models.Index(fields=["at"], name="waiting_event_at"),
                ],
            },
        ),
        migrations.RunSQL(_MOVE, migrations.RunSQL.noop),
        migrations.DeleteModel(name="EventDelivery"),
    ]
