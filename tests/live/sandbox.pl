# SPDX-License-Identifier: Apache-2.0
# Says what a container lets its processes do: one fact per line, "KEY VALUE". Run inside of one by
# test_sandbox.py. Every system call is made by a child of its own, with arguments that do no harm
# where it is allowed.
use strict;
use warnings;
use Errno ();

$| = 1;

# 0, or the error's name; "signal" when it did not come back.
sub outcome {
    my @call = @_;
    my $pid = fork // die "fork: $!";
    if ($pid == 0) {
        open STDERR, '>', '/dev/null';
        alarm 5;
        my $result = syscall($call[0], @call[1 .. $#call]);
        syscall(231, $result == -1 ? $! + 0 : 0);    # exit_group
    }
    waitpid $pid, 0;
    return 'signal' if $? & 127;
    local $! = $? >> 8;
    return $? ? (grep { $!{$_} } keys %!)[0] // $? >> 8 : 0;
}

# fork, vfork, exit, exit_group, rt_sigreturn and pause have no harmless arguments; uretprobe and
# uprobe are not the filter's to judge (kernel/seccomp.c).
my %never = map { $_ => 1 } 57, 58, 60, 231, 15, 34, 335, 336;
for my $nr (0 .. 480, 547, 1000) {
    print "call $nr ", outcome($nr, (-1) x 6), "\n" unless $never{$nr};
}
# With a type that no kernel knows: what is not refused before is invalid.
print "socket $_ ", outcome(41, $_, -1, 0), "\n" for 0 .. 45, 100;
print "personality $_ ", outcome(135, hex $_), "\n"
    for qw(0 8 20000 20008 ffffffff 40000 1 20009 fffffffe);
# 17 is SIGCHLD: where one is let through, the child ends like its parent.
print "clone $_ ", outcome(56, hex($_) | 17, 0, 0, 0, 0), "\n"
    for qw(0 20000 2000000 4000000 8000000 10000000 20000000 40000000);

sub file {
    my ($path) = @_;
    open my $f, '<', $path or return "!$!";
    local $/;
    my $text = <$f> // '';
    $text =~ s/\n+$//;
    return $text;
}

sub entries {
    my ($path) = @_;
    opendir my $dir, $path or return ();
    my @found = grep { !/^\.\.?$/ } readdir $dir;
    return @found;
}

for (split /\n/, file('/proc/self/status')) {
    print "status $1 $2\n" if /^(Cap...|NoNewPrivs|Seccomp|Groups|Uid|Gid|Umask):\s*(.*?)\s*$/;
}
print "mount $_\n" for split /\n/, file('/proc/self/mounts');
print "limit $_\n" for map { s/\s{2,}/|/gr } grep { /^Max / } split /\n/, file('/proc/self/limits');
for (qw(/proc/keys /proc/timer_list /proc/kcore /proc/interrupts /proc/sched_debug)) {
    print "masked $_ ", -e $_ ? length file($_) : 'absent', "\n";
}
for (qw(/sys/firmware /proc/acpi /proc/scsi /proc/asound)) {
    my @found = entries($_);
    print "emptied $_ ", scalar @found, "\n";
}
# Opened for writing, and nothing is written.
for (qw(/proc/sysrq-trigger /proc/sys/kernel/hostname /proc/irq/default_smp_affinity /sys/kernel/uevent_helper)) {
    next unless -e $_;
    print "writable $_ ", open(my $f, '>>', $_) ? 'yes' : 'no', "\n";
}
print "device $_\n" for sort(entries('/dev'));
# A loop device, by a node of our own: made or not, it must not open.
for my $at ('/dev/probe', '/root/probe') {
    my $path = "$at";    # syscall() wants one that it could change
    my $made = syscall(133, $path, 060600, 7 << 8) == 0;
    print "node $path ", open(my $f, '<', $path) ? 'open' : 'closed', "\n";
    unlink $path if $made;
}
print "sysctl $_ ", file("/proc/sys/net/ipv4/$_"), "\n"
    for qw(ip_unprivileged_port_start ping_group_range);
print "oom ", file('/proc/self/oom_score_adj'), "\n";
print "hostname ", file('/proc/sys/kernel/hostname'), "\n";
print "pids ", join(' ', sort { $a <=> $b } grep { /^\d+$/ } entries('/proc')), "\n";
print "env $_=", $ENV{$_} // '', "\n" for qw(HOME PATH HOSTNAME);
print "done\n";
