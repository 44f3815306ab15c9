# SPDX-License-Identifier: Apache-2.0
from django.urls import path

from desk import views

urlpatterns = [
    path("", views.front),
    path("health", views.health),
    path("titles", views.titles),
    path("titles/<str:isbn>", views.title),
    path("titles/<str:isbn>/reserve", views.reserve),
    path("copies/<str:barcode>/borrow", views.borrow),
    path("copies/<str:barcode>/return", views.give_back),
    path("sign-in", views.sign_in),
    path("sign-out", views.sign_out),
    path("loans", views.my_loans),
    path("numbers", views.numbers),
]
