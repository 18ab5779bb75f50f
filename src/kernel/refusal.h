/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Says why a pair is not opened: one line in the log, and the errno. Constructor and preresume.
 */
#ifndef DMR_REFUSAL_H
#define DMR_REFUSAL_H

#include "dm_remap/core.h"
#include "target.h"

/* Logs the refusal with what @report says was found (NULL: the spare was not looked at), and
 * returns its errno.
 */
int dmr_refuse(const struct dm_target *ti, const struct dmr_target *target,
	       enum dmr_refusal refusal, const struct dmr_report *report);

#endif
