# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use Site;
use Test::More;

is_deeply [Pallet::database('postgres://ann:p%40ss@db/shop')],
    ['dbi:Pg:dbname=shop;host=db;port=5432', 'ann', 'p@ss'], 'a database with a quoted password';
is_deeply [Pallet::database('postgres://ann@db:1/shop?x=y')],
    ['dbi:Pg:dbname=shop;host=db;port=1', 'ann', ''], 'a database with a port';
ok !eval { Pallet::database('mysql://a:b@c/d') }, 'another database';
is_deeply [Pallet::hosts('a:1|b', 11211)], ['a:1', 'b:11211'], 'hosts';
start_anew;
my $password = (Pallet::database($ENV{DB_DEFAULT_URL}))[2];
database->do("ALTER ROLE CURRENT_USER PASSWORD 'another'");
is get('/phone')->{status}, 503, 'who is not let in says so';
database_again($password);
is get('/phone')->{status}, 200, 'and is let in again';
done_testing;

sub database_again {
    local $ENV{DB_DEFAULT_URL} = $ENV{DB_DEFAULT_URL} =~ s{:[^:@]*@}{:another@}r;
    database->do("ALTER ROLE CURRENT_USER PASSWORD '$_[0]'");
}
