# SPDX-License-Identifier: Apache-2.0
from django.core.management.base import BaseCommand

from desk import letters


class Command(BaseCommand):
    help = "Writes the letters that the desk has asked for."

    def handle(self, *args, **options):
        self.stdout.write(f"Wrote {letters.write_all()} letters.")
