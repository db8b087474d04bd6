// Numbers as people read them: four significant digits and a unit that fits.
#pragma once

#include <string>

#include "base/format_count.h"
#include "base/units.h"
#include "scenario/run_report.h"

namespace weft {

std::string FormatSeconds(double seconds);        // 41.52 ms, 9.600 us, 0 s
std::string FormatBytes(Bytes bytes);             // 64 MiB, 2 MB, 1,536 B: exact, whole units only
std::string FormatRate(BitRate rate);             // 400 Gb/s
std::string FormatGBps(double bytes_per_second);  // 146.9, in 1e9 bytes a second, no unit
std::string FormatPercent(double share, int digits = 1);  // 12.5 %
std::string FormatSigned(double value, int digits);       // +12.5; of what rounds to nothing +0.0
std::string FormatSignedPercent(double share, int digits = 1);  // +12.5 %
std::string FormatSignificant(double value, int digits);        // plain decimal, no exponent

std::string UpperCase(std::string text);  // failed -> FAILED; ASCII

// "41.52 ms [41.5, 44.1]": one unit for all three; the bracket is left out where
// median, p5 and p95 print alike.
std::string FormatSecondsInterval(const Interval<double>& seconds);
std::string FormatGBpsInterval(const Interval<double>& bytes_per_second);
std::string FormatSignedPercentInterval(const Interval<double>& share);

}  // namespace weft
