"""Where files that came with mentions are fetched."""

from django.urls import path

from cxm.listen import media

urlpatterns = [path("media/<uuid:mention>/<int:index>", media.media_file, name="media_file")]
