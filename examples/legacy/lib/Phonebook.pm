# SPDX-License-Identifier: Apache-2.0
# Who has which number. Everything is where Apache's configuration says: PHONEBOOK_*.
package Phonebook;
use strict;
use warnings;
use Cache::Memcached;
use DBI;

sub new {
    my ($class, %env) = @_;
    my $db = DBI->connect(@env{qw(PHONEBOOK_DSN PHONEBOOK_USER PHONEBOOK_PASSWORD)},
        { RaiseError => 1, PrintError => 0, AutoCommit => 1, pg_enable_utf8 => 0 });
    my $cache = Cache::Memcached->new(
        servers => [split ' ', $env{PHONEBOOK_CACHE}], namespace => "$env{PHONEBOOK_PREFIX}:");
    return bless { db => $db, cache => $cache }, $class;
}

# Searches are kept until somebody changes something: the change gives all of them new names.
sub generation {
    my ($self) = @_;
    my $found = $self->{cache}->get('generation');
    if (!defined $found) {
        $self->{cache}->add('generation', 1);
        $found = $self->{cache}->get('generation') // 1;
    }
    return $found;
}

sub changed {
    my ($self) = @_;
    $self->generation;
    $self->{cache}->incr('generation');
}

# (rows, whether they came from the cache)
sub search {
    my ($self, $text) = @_;
    my $key = $self->generation . ':' . unpack 'H*', $text;
    if (length $key < 200 and my $kept = $self->{cache}->get($key)) {
        return ($kept, 1);
    }
    (my $pattern = $text) =~ s/([\\%_])/\\$1/g;
    my $rows = $self->{db}->selectall_arrayref(
        'SELECT name, number FROM phone WHERE name ILIKE ? ORDER BY name, number', undef, "%$pattern%");
    $self->{cache}->set($key, $rows, 3600) if length $key < 200;
    return ($rows, 0);
}

sub add {
    my ($self, $name, $number) = @_;
    $self->{db}->do('INSERT INTO phone (name, number) VALUES (?, ?)', undef, $name, $number);
    $self->changed;
}

sub remove {
    my ($self, $number) = @_;
    my $count = $self->{db}->do('DELETE FROM phone WHERE number = ?', undef, $number);
    $self->changed;
    return $count + 0;
}

1;
