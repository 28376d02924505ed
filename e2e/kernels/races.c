// Opens a file again and again while another thread works against whoever looks: `races SORT COUNT`.
//
//   name        the name flips between two files under the call; writes which one it was each time
//   descriptor  the new descriptor is replaced by another file at once
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLAIN 0x6e69616c70 /* "plain" and "other", each written at one stroke */
#define OTHER 0x726568746f
static volatile unsigned long name = PLAIN;
static volatile int started, over;
static int expected = -1, decoy = -1;

static void *flip(void *unused)
{
	started = 1;
	for (unsigned long turn = 0; !over; turn++)
		name = turn & 1 ? OTHER : PLAIN;
	return unused;
}

static void *replace(void *unused)
{
	started = 1;
	while (!over) {
		dup2(decoy, expected);
		/* Each is an event too, and rings are finite. */
		sched_yield();
	}
	return unused;
}

int main(int count, char **arguments)
{
	pthread_t against;
	struct stat plain, opened;
	if (count < 3 || stat("plain", &plain))
		return 1;
	int by_name = !strcmp(arguments[1], "name");
	long left = atol(arguments[2]);
	decoy = open("/dev/null", O_PATH);
	// The lowest free number is what every open will get.
	expected = dup(decoy);
	close(expected);
	if (decoy < 0 || pthread_create(&against, NULL, by_name ? flip : replace, NULL))
		return 1;
	while (!started)
		sched_yield();
	for (; left > 0; left--) {
		int file = open(by_name ? (char *)&name : "plain", O_RDONLY | O_NOATIME);
		if (by_name)
			putchar(fstat(file, &opened) || opened.st_ino != plain.st_ino ? 'o' : 'p');
		close(file);
		close(expected);
		/* On one processor the other thread runs too, and is stopped anywhere. */
		sched_yield();
	}
	over = 1;
	pthread_join(against, NULL);
	putchar('\n');
	return 0;
}
