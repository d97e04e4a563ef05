from django.db import migrations


class Migration(migrations.Migration):
    """Raw bytes are written once and read once; compressing them costs more than it saves."""

    dependencies = [("connect", "0001_initial")]
    operations = [migrations.RunSQL("alter table connect_delivery alter column body set storage external", "alter table connect_delivery alter column body set storage extended")]
