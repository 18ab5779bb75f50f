# SPDX-License-Identifier: GPL-2.0
# From tools/bench's figures: tables on standard output, the JSON files, the plot's data, and the bars.
# Status 1 if a bar is missed or a figure is not there.
#   awk -f report.awk -v json=FILE -v counts=FILE -v plot=FILE FIGURES
# A line of figures: the kernel's release, its mitigations, and what the guest's scripts print,
#   BENCH <rw> <name> <instructions> | COUNT <name> <number> | CPUS <rw> <of linear> <of dm-remap>
# or, of the host: "host - ROUTE <name> <threads> <nanoseconds>".

function percent(a, b) { return sprintf("%+.2f %%", (a / b - 1) * 100) }
function missed(what) { misses[++nmissed] = what }
function at_most(what, value, limit) {
	if (!(value <= limit)) missed(what " is " value ", more than " limit)
}
function has(name) {
	if (!(name in figure)) {
		missed(name " was not measured")
		figure[name] = 1e-9
	}
	return figure[name]
}
# What was measured of the row at hand, and of the kernel at hand.
function of(name) { return has(row " " name) }
function count(name) { return has(release " " name) }
function take_row(r) {
	row = rows[r]
	split(row, key, " ")
	release = key[1]
	mitigations = key[2]
	rw = key[3]
}

# A list in order: insert() the (n + 1)th; the median, and the quartiles in low and high.
function insert(n, x) {
	for (n++; n > 1 && sorted[n - 1] > x; n--) sorted[n] = sorted[n - 1]
	sorted[n] = x
}
function middle(n) {
	low = sorted[int((n + 3) / 4)]
	high = sorted[n + 1 - int((n + 3) / 4)]
	return sorted[int((n + 1) / 2)]
}

$1 != "host" && !($1 in known) {
	known[$1] = 1
	releases[++nreleases] = $1
}
$3 == "BENCH" {
	row = $1 " " $2 " " $4
	if (!(row in seen)) rows[++nrows] = row
	seen[row] = 1
	figure[row " " $5] = $6
}
$3 == "COUNT" { figure[$1 " " $4] = $5 }
$3 == "CPUS" { turn[$1 " " $4, ++turns[$1 " " $4]] = $6 / $5 }
$3 == "ROUTE" { time[$4, $5, ++times[$4, $5]] = $6 }

# ---- Instructions

# Newer kernels call dm-linear directly, and us through a pointer.
function bar() { return release ~ /^6\.1\./ ? 1.01 : 1.012 }

function small_io(   r) {
	print "Guest instructions per I/O of 4 KiB (fio, psync, direct, random)\n"
	printf "%-22s %-11s %-9s %5s %7s %9s  %-16s  %-16s  %s\n", "kernel", "mitigations", "rw", "raw",
		"linear", "segments", "nothing moved", "beside 10k", "10k hit (linear there)"
	for (r = 1; r <= nrows; r++) {
		take_row(r)
		printf "%-22s %-11s %-9s %5d %7d %9d  %6d %-9s  %6d %-9s  %6d %-8s (%d)\n", release, mitigations, rw,
			of("raw"), of("linear"), of("segments"),
			of("remap_0"), percent(of("remap_0"), of("linear")),
			of("remap_10k"), percent(of("remap_10k"), of("linear")),
			of("hit"), percent(of("hit"), of("linear_slots")), of("linear_slots")
		at_most(row ": nothing moved, over dm-linear", of("remap_0") / of("linear"), bar())
		at_most(row ": beside moved blocks, over dm-linear", of("remap_10k") / of("linear"), bar())
		at_most(row ": beside moved blocks", of("remap_10k"), of("segments") - 1)
		at_most(row ": moved blocks, over dm-linear", of("hit") / of("linear_slots"), 1.05)
	}
}

function large_io(   r, s, bs, size, extra) {
	print "\nThe same for large I/O; where a block of each 128 KiB is moved, and per extra piece\n"
	printf "%-22s %-11s %-9s %5s %7s  %-16s  %8s %8s  %s\n", "kernel", "mitigations", "rw", "size", "linear",
		"nothing moved", "by hand", "dm-remap", "piece by hand, dm-remap"
	size[1] = "128k"
	size[2] = "1m"
	for (r = 1; r <= nrows; r++) {
		take_row(r)
		for (s = 1; s <= 2; s++) {
			bs = size[s]
			extra = s == 1 ? 2 : 16
			figure[row " piece_by_hand_" bs] = (of("segments_" bs) - of("linear_" bs)) / extra
			figure[row " piece_" bs] = (of("pieces_" bs) - of("linear_" bs)) / extra
			printf "%-22s %-11s %-9s %5s %7d  %7d %-8s  %8d %8d  %5d %5d\n", release, mitigations, rw, bs,
				of("linear_" bs), of("remap_0_" bs), percent(of("remap_0_" bs), of("linear_" bs)),
				of("segments_" bs), of("pieces_" bs), of("piece_by_hand_" bs), of("piece_" bs)
		}
	}
}

# ---- Counts

function absorbed(name, what,   blocks) {
	blocks = count(name "_blocks")
	printf "%d bad blocks %s: for each, %.3f writes, %.3f reads, %.4f flushes, %d bytes at the spare;\n", blocks,
		what, count(name "_writes") / blocks, count(name "_reads") / blocks, count(name "_flushes") / blocks,
		count(name "_bytes") / blocks
	printf "  %d commits, %.2f writes of the application in each\n", count(name "_commits"),
		count(name "_ios") / count(name "_commits")
}

function memory(bytes, slots) {
	printf "memory: %d bytes for %d slots\n", bytes, slots
	at_most(release ": memory for " slots " slots", bytes, 16 * slots + 65536)
}

function devices(   k) {
	for (k = 1; k <= nreleases; k++) {
		release = releases[k]
		printf "\n%s, counted\n\n", release
		printf "flushes of 1000 writes with fsync: dm-linear %d, dm-remap %d to main, %d to the spare\n",
			count("flushes_main_linear"), count("flushes_main_remap"), count("flushes_spare_remap")
		at_most(release ": flushes", count("flushes_main_remap") + count("flushes_spare_remap"),
			count("flushes_main_linear"))
		absorbed("row", "in a row, written by 1 MiB")
		at_most(release ": spare writes for a bad block", count("row_writes") / count("row_blocks"), 1.3)
		absorbed("scattered", "scattered, written by 4 KiB, 32 at once")
		memory(count("memory_bytes"), count("memory_slots"))
		memory(count("memory_small_bytes"), count("memory_small_slots"))
		printf "opening %d redirections: %.1f ms at an instruction a nanosecond (dm-linear %.1f ms), %d writes\n",
			count("memory_slots"), count("open_microseconds") / 1000,
			count("open_linear_microseconds") / 1000, count("open_writes")
		at_most(release ": writes of an opening", count("open_writes"), 0)
		cpus("randread")
		cpus("randwrite")
	}
}

# ---- Two CPUs

function cpus(rw,   n, i) {
	delete sorted
	n = turns[release " " rw]
	if (n == 0) {
		missed(release " " rw ": two CPUs were not measured")
		return
	}
	for (i = 1; i <= n; i++) insert(i - 1, turn[release " " rw, i])
	figure[release " two_cpus_" rw] = middle(n)
	printf "two CPUs, %s, I/Os per second over dm-linear's: %.2f (%.2f to %.2f in %d turns; timed)\n", rw,
		middle(n), sorted[1], sorted[n], n
}

# What two threads take over what @base takes with so many threads, time by time.
function threads(text, name, base, base_threads,   n, i, ratio) {
	delete sorted
	n = times[name, 2]
	if (n == 0 || times[base, base_threads] != n) {
		missed("threads: " name " was not measured")
		return 0
	}
	for (i = 1; i <= n; i++) insert(i - 1, time[name, 2, i] / time[base, base_threads, i])
	ratio = middle(n)
	figure["host " name (base == name ? "" : "_own")] = ratio
	printf "%-52s %.2f (%.2f to %.2f)\n", text, ratio, low, high
	return ratio
}

function routing(   shared, beside, hit) {
	print "\nThe routing call: CPU time of two threads (median and quartiles; timed)\n"
	shared = threads("with a counter that both write, over one thread", "beside_counted", "beside_counted", 1)
	threads("beside redirections, over one thread", "beside", "beside", 1)
	threads("redirected, over one thread", "hit", "hit", 1)
	beside = threads("beside redirections, over an engine each", "beside", "beside_own", 2)
	hit = threads("redirected, over an engine each", "hit", "hit_own", 2)
	if (shared < 1.5) {
		print "The counter made no difference: the threads hardly ran at once, and this says nothing."
		return
	}
	at_most("threads: one engine over an engine each", beside, 1.25)
	at_most("threads: one engine over an engine each, redirected", hit, 1.25)
}

# ---- Files

function write_rows(   names, n, i, r, format) {
	n = split("raw linear segments remap_0 ratio_0 remap_10k ratio_10k linear_slots hit ratio_hit " \
		"linear_128k remap_0_128k piece_by_hand_128k piece_128k " \
		"linear_1m remap_0_1m piece_by_hand_1m piece_1m", names, " ")
	printf "[" >json
	for (r = 1; r <= nrows; r++) {
		take_row(r)
		figure[row " ratio_0"] = of("remap_0") / of("linear")
		figure[row " ratio_10k"] = of("remap_10k") / of("linear")
		figure[row " ratio_hit"] = of("hit") / of("linear_slots")
		printf "%s\n  {\"kernel\": \"%s\", \"mitigations\": \"%s\", \"rw\": \"%s\", \"bs\": 4096", (r == 1 ? "" : ","),
			release, mitigations, rw >json
		for (i = 1; i <= n; i++) {
			format = names[i] ~ /^ratio/ ? "%.4f" : "%d"
			printf ", \"%s\": " format, names[i], of(names[i]) >json
		}
		printf "}" >json
		printf "\"%s\\n%s, %s\" %.3f %.3f %.3f\n", release, mitigations, rw, (of("ratio_0") - 1) * 100,
			(of("ratio_10k") - 1) * 100, (of("segments") / of("linear") - 1) * 100 >plot
	}
	printf "\n]\n" >json
}

# What is known of each kernel as a whole, and of the host.
function write_counts(   k, name) {
	releases[nreleases + 1] = "host"
	printf "[" >counts
	for (k = 1; k <= nreleases + 1; k++) {
		printf "%s\n  {\"kernel\": \"%s\"", (k == 1 ? "" : ","), releases[k] >counts
		for (name in figure)
			if (split(name, key, " ") == 2 && key[1] == releases[k])
				printf ", \"%s\": %.6g", key[2], figure[name] >counts
		printf "}" >counts
	}
	printf "\n]\n" >counts
}

END {
	if (nrows == 0) missed("nothing was measured")
	small_io()
	large_io()
	devices()
	routing()
	write_rows()
	write_counts()
	print ""
	for (i = 1; i <= nmissed; i++) print "MISSED: " misses[i]
	if (nmissed == 0) print "All bars are met."
	exit nmissed > 0
}
