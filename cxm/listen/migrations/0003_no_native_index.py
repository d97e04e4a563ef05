from django.db import migrations


class Migration(migrations.Migration):
    """Mentions are found by an id derived from the native one; the index cost a third of each row and served no query."""

    dependencies = [("listen", "0002_kept_files")]
    operations = [migrations.RemoveIndex("record", "record_native")]
