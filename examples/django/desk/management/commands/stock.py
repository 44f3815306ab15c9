# SPDX-License-Identifier: Apache-2.0
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand

from desk.models import Copy, Title


class Command(BaseCommand):
    help = "Puts the first books on empty shelves and prints their labels into /storage."

    def handle(self, *args, **options):
        if Title.objects.exists():
            self.stdout.write("The shelves are stocked.")
        else:
            call_command("loaddata", "library", stdout=self.stdout)
        labels = settings.STORAGE_ROOT / "labels"
        labels.mkdir(exist_ok=True)
        for copy in Copy.objects.select_related("title"):
            (labels / f"{copy.barcode}.txt").write_text(f"{copy.barcode}\n{copy.title}\n")
        self.stdout.write(f"Printed {Copy.objects.count()} labels.")
