/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The satellite: a small static program that holds a shard's network namespace.
 *
 * Usage inside the holder container:
 *     satellite hold [--dir PATH]... [--spool PATH]... [--probe NAME:PROVIDER:PORT:ARG]...
 *                    [--sink NAME:KIND:PORT:DIR]... [--relay FROM:TO:tcp|udp]...
 * It is pid 1 there: reaps children, ends at once (exit 0) on SIGTERM, SIGINT. Each --dir is made
 * (with parents) mode 1777, an existing one is chmod'ed when we own it. A --spool is one that
 * SIGUSR2 makes anew: what is in it goes to a directory of its own beside its parent. Each probe is
 * repeated, from 1 ms upward by 1.3 to at most 10 ms apart, an attempt lasting 1 s at most, until
 * the service is ready. ARG is the rest of the word and may contain colons. A bad command line:
 * exit 2. CLEANROOM_PASSWORD_<NAME> in its environment is what the service NAME is then given as
 * its password, before it counts as ready. Each --relay is a way between namespaces: what comes
 * FROM goes TO, and back; see relay.h. FROM is a socket that it is handed as that descriptor (3 or
 * more), or one on which it listens: @N, port N of all addresses; =N, port N of 127.0.0.1; /PATH, a
 * unix socket. TO is a port of 127.0.0.1, or the /PATH of a unix socket. Each --sink is a service
 * that it serves itself, on 127.0.0.1: KIND is one of sink_words (provider.h), and what comes is
 * written below DIR, an absolute path, in what sink_file() names: mail/001.eml ... of messages, or
 * lines of NAME.log. SIGUSR1: it writes all that has been sent to it so far, and then says so.
 *
 * It tells what happens by lines on standard output, one word each separated by one space, and the
 * rest of the line free text:
 *     up                       directories are made, probing begins
 *     waiting NAME REASON      the reason why NAME is not ready has changed ("connection refused")
 *     ready NAME MICROSECONDS  ready, that long after "up"
 *     refused NAME REASON      it serves, but will never take its password; a sink: its port
 *                              cannot be listened on
 *     flushed                  after SIGUSR1
 *     emptied                  after SIGUSR2
 */
#ifndef CLEANROOM_SATELLITE_H
#define CLEANROOM_SATELLITE_H

#include <signal.h>
#include <stddef.h>

#define SATELLITE_UP      "up"
#define SATELLITE_WAITING "waiting"
#define SATELLITE_READY   "ready"
#define SATELLITE_REFUSED "refused"
#define SATELLITE_FLUSHED "flushed"
#define SATELLITE_EMPTIED "emptied"

#define SATELLITE_FLUSH SIGUSR1
#define SATELLITE_EMPTY SIGUSR2

#define SATELLITE_PASSWORD "CLEANROOM_PASSWORD_"

/* The static binary, as linked into cleanroom (runner/satellite/blob.c). */
extern const unsigned char satellite_blob[];
extern const unsigned char satellite_blob_end[];

#endif
