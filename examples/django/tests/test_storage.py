# SPDX-License-Identifier: Apache-2.0
"""What `deploy` left in the volumes is there for `test`."""
from pathlib import Path

from django.conf import settings
from django.test import Client

from desk.models import Copy
from tests.support import DeskTest


class StorageTest(DeskTest):
    def test_every_copy_has_its_label(self):
        labels = {path.stem for path in (settings.STORAGE_ROOT / "labels").iterdir()}
        self.assertEqual(labels, set(Copy.objects.values_list("barcode", flat=True)))

    def test_label_names_the_title(self):
        label = (settings.STORAGE_ROOT / "labels" / "C00001.txt").read_text()
        self.assertIn("Jane Austen", label)

    def test_fixed_file_is_ours_alone(self):
        path = settings.STORAGE_ROOT / "inventory.txt"
        with path.open("x") as inventory:
            for barcode in Copy.objects.order_by("pk").values_list("barcode", flat=True):
                inventory.write(barcode + "\n")
        self.assertEqual(len(path.read_text().splitlines()), 72)
        path.unlink()

    def test_style_sheet_was_collected(self):
        self.assertTrue((Path(settings.STATIC_ROOT) / "desk" / "desk.css").is_file())

    def test_style_sheet_is_served(self):
        answer = Client().get("/static/desk/desk.css")
        self.assertEqual(answer.status_code, 200)
        self.assertIn(b"serif", b"".join(answer.streaming_content))
