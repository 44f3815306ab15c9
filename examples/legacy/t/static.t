# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use Site;
use Test::More;

my $page = get('/');
is $page->{status}, 200, 'there is a front page';
like $page->{content}, qr/<title>Telephone book/, 'it has its title';
is $page->{headers}{'content-type'}, 'text/html', 'it is HTML';
is get('/style.css')->{headers}{'content-type'}, 'text/css', 'there is a style sheet';
is get('/nothing')->{status}, 404, 'there is nothing else';
is get('/../../etc/passwd')->{status}, 400, 'there is no way out';
done_testing;
