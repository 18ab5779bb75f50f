# SPDX-License-Identifier: GPL-2.0
# What is paid over dm-linear, from report.awk's plot data: gnuplot -e "data=...; set output ..." plot.gp
set terminal svg size 900,420 font "sans,12" background "white"
set title "Guest instructions per 4 KiB I/O, over dm-linear in the same boot"
set ylabel "%"
set yrange [0:*]
set style data histogram
set style histogram clustered gap 1
set style fill solid 0.8 border -1
set boxwidth 0.9
set grid ytics
set key outside bottom center horizontal
set xtics font ",9"
plot data using 2:xtic(1) title "dm-remap, nothing moved" linecolor rgb "#4477aa", \
     '' using 3 title "dm-remap, 10,000 blocks moved, beside them" linecolor rgb "#66ccee", \
     '' using 4 title "dm-linear, 10,000 blocks moved by hand" linecolor rgb "#bbbbbb", \
     1.0 title "1 %" with lines linecolor rgb "#aa3377" dashtype 2
