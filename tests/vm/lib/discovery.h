/* SPDX-License-Identifier: GPL-2.0 */
/*
 * /sys/kernel/dm-remap-v4/discovery, its lists, and spares to be found. What is not as it must be fails
 * the test.
 */
#ifndef VM_DISCOVERY_H
#define VM_DISCOVERY_H

#include "pair.h"

#define DISCOVERY_LONGEST 65536
/* What a look reads of a copy. */
#define DISCOVERY_HEADER_SECTORS 8
/* No other disk of the machine has main's size. */
#define DISCOVERY_MAIN_MIB 72

/* What a test makes. end_of_test(), for CASE(), ends all of it and switches auto_scan off. */
extern struct pair pair;
extern struct disk others[2];
void end_of_others(void);
int end_of_test(void **state);

/* All of "devices" or "pairs", read in pieces of so many bytes; good until the next call. */
const char *discovery_text(const char *file, size_t piece);
/* The line of @file whose word @column (from 1) is @word, "" if there is none; at most one is. */
const char *discovery_line(const char *file, unsigned int column, const char *word);
/* The device's state, "" if it is not listed. */
const char *discovery_state(const char *name);
void discovery_is(const char *name, const char *state);
/* Waits up to so many seconds. */
bool discovery_becomes(const char *name, const char *state, unsigned int seconds);

/* Looks, and waits for the end of it. */
void discovery_scan(void);

/* A pair that is closed again. */
void discovery_closed_pair(struct pair *pair, const char *arguments);
/* The header places of one device, to another or to another place of it. */
void discovery_copy_headers(const char *from, const char *to, uint64_t to_sector);

#endif
