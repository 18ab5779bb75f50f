// SPDX-License-Identifier: GPL-2.0
/*
 * load DEVICE SECONDS PAUSE_MS: reads of 4 KiB at random places, one after the other with a pause in
 * between. Prints how many there were.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	int fd = argc == 4 ? open(argv[1], O_RDONLY | O_DIRECT) : -1;
	double end = seconds() + (argc == 4 ? atof(argv[2]) : 0);
	unsigned int seed = 1, pause = argc == 4 ? atoi(argv[3]) : 0;
	unsigned long reads = 0;
	off_t blocks;
	void *buffer;

	if (fd < 0 || posix_memalign(&buffer, 4096, 4096))
		return 1;
	blocks = lseek(fd, 0, SEEK_END) / 4096;
	for (; seconds() < end; reads++) {
		if (pread(fd, buffer, 4096, rand_r(&seed) % blocks * 4096) != 4096)
			return 1;
		if (pause)
			usleep(pause * 1000);
	}
	printf("%lu\n", reads);
	return 0;
}
