from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("love", "0007_bulk")]
    operations = [migrations.AddField("conversation", "erased_at", models.DateTimeField(null=True))]
