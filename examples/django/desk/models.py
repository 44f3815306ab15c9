# SPDX-License-Identifier: Apache-2.0
"""What the lending desk of a small library keeps in its database."""
from django.contrib.auth.hashers import check_password, make_password
from django.db import models
from django.db.models import Q


class Branch(models.Model):
    code = models.CharField(max_length=8, unique=True)
    name = models.CharField(max_length=80)

    def __str__(self):
        return self.name


class Member(models.Model):
    number = models.CharField(max_length=12, unique=True)
    name = models.CharField(max_length=80)
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT)
    pin = models.CharField(max_length=128, blank=True)
    blocked = models.BooleanField(default=False)

    def __str__(self):
        return f"{self.number} {self.name}"

    def set_pin(self, pin):
        self.pin = make_password(pin)

    def check_pin(self, pin):
        return bool(self.pin) and check_password(pin, self.pin)


class Title(models.Model):
    isbn = models.CharField(max_length=13, unique=True)
    name = models.CharField(max_length=200)
    author = models.CharField(max_length=120)
    year = models.SmallIntegerField()

    class Meta:
        ordering = ["author", "name"]

    def __str__(self):
        return f"{self.author}: {self.name}"


class Copy(models.Model):
    barcode = models.CharField(max_length=16, unique=True)
    title = models.ForeignKey(Title, on_delete=models.CASCADE, related_name="copies")
    branch = models.ForeignKey(Branch, on_delete=models.PROTECT)

    def __str__(self):
        return self.barcode


class Loan(models.Model):
    copy = models.ForeignKey(Copy, on_delete=models.CASCADE, related_name="loans")
    member = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="loans")
    lent_on = models.DateField()
    due_on = models.DateField()
    returned_on = models.DateField(null=True, blank=True)
    renewals = models.PositiveSmallIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["copy"],
                condition=Q(returned_on__isnull=True),
                name="one_open_loan_per_copy",
            )
        ]

    def days_late(self, on):
        return max(0, (on - self.due_on).days)


class Fine(models.Model):
    loan = models.OneToOneField(Loan, on_delete=models.CASCADE)
    cents = models.PositiveIntegerField()
    paid = models.BooleanField(default=False)
