# SPDX-License-Identifier: Apache-2.0
# For tests: the site by HTTP, and an empty book behind it.
package Site;
use strict;
use warnings;
use Cache::Memcached;
use DBI;
use Exporter 'import';
use HTTP::Tiny;
use Pallet;

our @EXPORT = qw(get post search database cache start_anew);
my $http = HTTP::Tiny->new(timeout => 20);
my $url = 'http://127.0.0.1:8000';

sub get { return $http->get($url . shift) }

sub post { return $http->post_form("$url/phone", {@_})->{status} }

sub search {
    my $text = $http->www_form_urlencode({ q => shift });
    return get("/phone?$text");
}

sub database { return DBI->connect(Pallet::database($ENV{DB_DEFAULT_URL}), { RaiseError => 1, PrintError => 0 }) }

sub cache { return Cache::Memcached->new(servers => [Pallet::hosts($ENV{MEMCACHE_HOSTS}, 11211)]) }

sub start_anew {
    database->do('TRUNCATE phone');
    cache->flush_all;
}

1;
