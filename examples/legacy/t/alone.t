# SPDX-License-Identifier: Apache-2.0
use strict;
use warnings;
use Site;
use Test::More;

start_anew;
cache->set('mark', $$);
my $db = database;
is $db->selectrow_array("SELECT count(*) FROM pg_class WHERE relname = 'mark'"), 0, 'nobody has been here';
$db->do("CREATE TABLE mark AS SELECT $$ AS pid");
post(name => "Guest $_", number => "555 $_") for 100 .. 110;
is scalar(split /\n/, search('Guest')->{content}), 11, 'all guests are ours';
is $db->selectrow_array('SELECT pid FROM mark'), $$, 'the database is ours';
is cache->get('mark'), $$, 'the cache is ours';
$db->do('DROP TABLE mark');
# For those who want to see a red report: cleanroom -e PHONEBOOK_BROKEN=1 ...
ok !$ENV{PHONEBOOK_BROKEN}, 'not broken on demand';
done_testing;
