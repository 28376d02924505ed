/* Makes, moves and removes files in every way a path can be typed, and copies descriptors of every sort.
 * Arguments: an empty folder, a seed, how many calls. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static unsigned long state;
static const char *top;
static int folder;

static unsigned pick(unsigned below)
{
	state = state * 6364136223846793005ul + 1442695040888963407ul;
	return (state >> 33) % below;
}

static const char *words[] = {"a", "bin", "secret", "data.txt", "x\xff\xfe", "..c", "secret.d", "log"};
#define WORD words[pick(8)]

static void type(char *path, size_t size)
{
	switch (pick(8)) {
	case 0: snprintf(path, size, "%s/%s/%s", top, WORD, WORD); break;
	case 1: snprintf(path, size, "%s/%s", top, WORD); break;
	case 2: snprintf(path, size, "%s", WORD); break;
	case 3: snprintf(path, size, "%s/%s", WORD, WORD); break;
	case 4: snprintf(path, size, "./%s//%s", WORD, WORD); break;
	case 5: snprintf(path, size, "%s/../%s", WORD, WORD); break;
	case 6: snprintf(path, size, "%s/%s/.././../%s", top, WORD, WORD); break;
	default: path[0] = 0; break;
	}
}

static void move(void)
{
	char one[1024], other[1024];
	int at = pick(2) ? folder : AT_FDCWD, to = pick(2) ? folder : AT_FDCWD;
	type(one, sizeof one);
	type(other, sizeof other);
	switch (pick(9)) {
	case 0: unlink(one); break;
	case 1: unlinkat(pick(8) ? at : 999, one, pick(2) ? AT_REMOVEDIR : 0); break;
	case 2: rename(one, other); break;
	case 3: syscall(SYS_renameat2, at, one, to, other, pick(2)); break;
	case 4: linkat(at, one, to, other, 0); break;
	case 5: symlink(one, other); break;
	case 6: mkdirat(at, one, 0700); break;
	case 7: chmod(one, pick(2) ? 0600 : 04755); break;
	default: close(openat(at, one, O_CREAT | O_WRONLY, 0600)); break;
	}
}

static int descriptor(void)
{
	char path[1024];
	int ends[2];
	type(path, sizeof path);
	switch (pick(6)) {
	case 0: return open(path, O_RDONLY | O_CREAT, 0600);
	case 1: return open(top, O_RDONLY | O_DIRECTORY);
	case 2:
		if (pipe(ends))
			exit(2);
		close(ends[1]);
		return ends[0];
	case 3: return socket(pick(2) ? AF_INET : AF_UNIX, SOCK_STREAM, 0);
	case 4: return memfd_create("secret", 0);
	default: return open("/dev/null", O_RDWR);
	}
}

static void copy(void)
{
	int from = descriptor(), to = -1;
	switch (pick(5)) {
	case 0: to = dup(from); break;
	case 1: to = dup2(from, 100); break;
	case 2: to = dup3(from, 101, O_CLOEXEC); break;
	case 3: fchmod(from, 0644); break;
	default: ftruncate(from, 0); break;
	}
	close(to);
	close(from);
}

static void calls(int count)
{
	for (int i = 0; i < count; i++) {
		if (pick(3))
			move();
		else
			copy();
	}
}

int main(int count, char **arguments)
{
	int status;
	if (count != 4)
		return 1;
	top = arguments[1];
	state = atol(arguments[2]);
	if (chdir(top) || mkdir("secret.d", 0700))
		return 2;
	folder = open("secret.d", O_RDONLY | O_DIRECTORY);
	calls(atoi(arguments[3]));
	pid_t child = fork();
	if (child == 0) {
		if (chroot(top) || chdir("/"))
			_exit(3);
		calls(atoi(arguments[3]) / 2);
		_exit(0);
	}
	return child < 0 || waitpid(child, &status, 0) != child || status ? 4 : 0;
}
