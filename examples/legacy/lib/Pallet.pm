# SPDX-License-Identifier: Apache-2.0
# Reads the environment that Pallet gives an app.
package Pallet;
use strict;
use warnings;

sub unquote {
    my ($text) = @_;
    $text =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
    return $text;
}

# A database's URL as what DBI wants: its name, user and password.
sub database {
    my ($url) = @_;
    my ($user, $password, $host, $port, $name) =
        $url =~ m{^postgres(?:ql)?://([^:@/]*)(?::([^@/]*))?@([^:/]+)(?::(\d+))?/([^?]+)}
        or die "not a database that we know: '$url'\n";
    $port ||= 5432;
    return ("dbi:Pg:dbname=" . unquote($name) . ";host=$host;port=$port", unquote($user), unquote($password // ''));
}

# 'a:1|b' as ('a:1', 'b:11211').
sub hosts {
    my ($text, $port) = @_;
    return map { /:\d+$/ ? $_ : "$_:$port" } grep { length } split /\|/, $text;
}

1;
