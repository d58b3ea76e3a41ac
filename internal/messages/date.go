package messages

import (
	"fmt"
	"time"
)

// form is how a language writes numbers and dates; from CLDR 48.
type form struct {
	zero      rune
	group     string
	groupFrom int // fewest digits that are grouped
	percent   string
	months    [12]string // in the form that follows a day
	date      func(f *form, day, month, year int) string
	solar     *[12]string // months of the Solar Hijri calendar, for those who count by it
}

func dayMonthYear(f *form, day, month, year int) string {
	return fmt.Sprintf("%s %s %s", f.plain(day), f.months[month-1], f.plain(year))
}

// plain writes n in the language's digits without grouping.
func (f *form) plain(n int) string {
	digits := []rune(fmt.Sprint(n))
	for i, d := range digits {
		if d >= '0' && d <= '9' {
			digits[i] = f.zero + d - '0'
		}
	}
	return string(digits)
}

var forms = map[string]*form{
	"en": {zero: '0', group: ",", groupFrom: 4, percent: "%", date: dayMonthYear,
		months: [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September",
			"October", "November", "December"}},
	"es": {zero: '0', group: ".", groupFrom: 5, percent: "\u00a0%",
		date: func(f *form, day, month, year int) string {
			return fmt.Sprintf("%d de %s de %d", day, f.months[month-1], year)
		},
		months: [12]string{"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre",
			"octubre", "noviembre", "diciembre"}},
	"fr": {zero: '0', group: "\u202f", groupFrom: 4, percent: "\u202f%",
		date: func(f *form, day, month, year int) string {
			first := ""
			if day == 1 {
				first = "er"
			}
			return fmt.Sprintf("%d%s %s %d", day, first, f.months[month-1], year)
		},
		months: [12]string{"janvier", "février", "mars", "avril", "mai", "juin", "juillet", "août", "septembre",
			"octobre", "novembre", "décembre"}},
	"ru": {zero: '0', group: "\u00a0", groupFrom: 4, percent: "\u00a0%",
		date: func(f *form, day, month, year int) string {
			return fmt.Sprintf("%d %s %d\u00a0г.", day, f.months[month-1], year)
		},
		months: [12]string{"января", "февраля", "марта", "апреля", "мая", "июня", "июля", "августа", "сентября",
			"октября", "ноября", "декабря"}},
	"zh": {zero: '0', group: ",", groupFrom: 4, percent: "%",
		date: func(_ *form, day, month, year int) string { return fmt.Sprintf("%d年%d月%d日", year, month, day) }},
	// Arabic-Indic digits, which the Arabic of Sudan, Syria and Iraq writes.
	"ar": {zero: '٠', group: "٬", groupFrom: 4, percent: "٪", date: dayMonthYear,
		months: [12]string{"يناير", "فبراير", "مارس", "أبريل", "مايو", "يونيو", "يوليو", "أغسطس", "سبتمبر", "أكتوبر",
			"نوفمبر", "ديسمبر"}},
	"fa": {zero: '۰', group: "٬", groupFrom: 4, percent: "٪", date: dayMonthYear,
		months: [12]string{"ژانویه", "فوریه", "مارس", "آوریل", "مه", "ژوئن", "ژوئیه", "اوت", "سپتامبر", "اکتبر",
			"نوامبر", "دسامبر"},
		solar: &[12]string{"فروردین", "اردیبهشت", "خرداد", "تیر", "مرداد", "شهریور", "مهر", "آبان", "آذر", "دی",
			"بهمن", "اسفند"}},
}

// Date writes the day of t (UTC) in full. Persian readers get their own calendar, with the Gregorian date beside it.
func (p *Printer) Date(t time.Time) string {
	t = t.UTC()
	civil := p.form.date(p.form, t.Day(), int(t.Month()), t.Year())
	if p.form.solar == nil {
		return civil
	}
	year, month, day := SolarHijri(t)
	return fmt.Sprintf("%s %s %s (%s)", p.form.plain(day), p.form.solar[month-1], p.form.plain(year), civil)
}

// Time writes the day and the minute of t, and says that it is UTC.
func (p *Printer) Time(t time.Time) string {
	return p.Date(t) + ", " + p.Digits(t.UTC().Format("15:04")) + "\u00a0UTC"
}

// SolarHijri returns the date of t (UTC) in the Solar Hijri calendar of Iran. From 1840 to 2100 it is the one that ICU 78
// gives, day for day.
// Source: K. M. Borkowski, "The Persian calendar for 3000 years", Earth, Moon and Planets 74 (1996), 223–230: between the
// breaks of 1210 and 1635 leap years come in cycles of 33 years.
func SolarHijri(t time.Time) (year, month, day int) {
	t = t.UTC()
	year = t.Year() - 621
	if t.Before(nowruz(year)) {
		year--
	}
	days := int(t.Sub(nowruz(year)) / (24 * time.Hour))
	if days < 186 { // six months of 31 days
		return year, 1 + days/31, 1 + days%31
	}
	days -= 186
	return year, 7 + days/30, 1 + days%30
}

// nowruz returns the first day of a Solar Hijri year, counted from the break in 1210.
func nowruz(year int) time.Time {
	const first, leapsBefore = 1210, 294
	gregorian := year + 621
	leaps := leapsBefore + (year-first)/33*8 + ((year-first)%33+3)/4
	gregorianLeaps := gregorian/4 - (gregorian/100+1)*3/4 - 150
	return time.Date(gregorian, time.March, 20+leaps-gregorianLeaps, 0, 0, 0, 0, time.UTC)
}
