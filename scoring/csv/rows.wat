;; Rows of a predictions file as CSV, byte for byte what predictions-csv.ts describes: most of a large batch's CPU went
;; into numbers becoming text, and this takes a sixth of it. Numbers are written as ECMAScript writes them
;; (Number::toString, radix 10), by the Schubfach algorithm (R. Giulietti, "The Schubfach way to render doubles", 2020).
;; Built into rows.wasm by `node bin/build-wasm.js`; a test compares. Addresses and tables: rows.ts.
(module
  (memory (export "memory") 18)

  ;; Where things are, bytes. rows.ts has the same list.
  (global $POWERS i32 (i32.const 0)) ;; 617 x (high, low): 10^k, k from -292, as 128 bits with the top one set, rounded up
  (global $TENS i32 (i32.const 9888)) ;; 20 x u64: 10^n
  (global $PAIRS i32 (i32.const 10048)) ;; "00" to "99"
  (global $DATE i32 (i32.const 10256)) ;; text of the day that was written last
  (global $NAME i32 (i32.const 12288)) ;; ",device,sensor," of the sensor at hand
  (global $START i32 (i32.const 16384)) ;; columns of a piece: 2,048 rows
  (global $MEAN i32 (i32.const 32768))
  (global $SCORE i32 (i32.const 49152))
  (global $SCORED i32 (i32.const 65536))
  (global $ANOMALY i32 (i32.const 67584))

  (global $day (mut i64) (i64.const -1)) ;; day of $DATE

  ;; Upper half of a 64 x 64 bit product.
  (func $high (param $a i64) (param $b i64) (result i64)
    (local $a1 i64) (local $b1 i64) (local $a0 i64) (local $b0 i64) (local $p01 i64) (local $p10 i64)
    (local.set $a0 (i64.and (local.get $a) (i64.const 0xffffffff)))
    (local.set $b0 (i64.and (local.get $b) (i64.const 0xffffffff)))
    (local.set $a1 (i64.shr_u (local.get $a) (i64.const 32)))
    (local.set $b1 (i64.shr_u (local.get $b) (i64.const 32)))
    (local.set $p01 (i64.mul (local.get $a0) (local.get $b1)))
    (local.set $p10 (i64.mul (local.get $a1) (local.get $b0)))
    (i64.add
      (i64.add
        (i64.mul (local.get $a1) (local.get $b1))
        (i64.add (i64.shr_u (local.get $p01) (i64.const 32)) (i64.shr_u (local.get $p10) (i64.const 32))))
      (i64.shr_u
        (i64.add
          (i64.shr_u (i64.mul (local.get $a0) (local.get $b0)) (i64.const 32))
          (i64.add
            (i64.and (local.get $p01) (i64.const 0xffffffff))
            (i64.and (local.get $p10) (i64.const 0xffffffff))))
        (i64.const 32))))

  ;; The product of a power of ten and $cp, shifted right by 128 bits; the last bit tells of what was shifted out.
  (func $odd (param $high i64) (param $low i64) (param $cp i64) (result i64)
    (local $y i64) (local $sum i64)
    (local.set $y (i64.mul (local.get $high) (local.get $cp)))
    (local.set $sum (i64.add (local.get $y) (call $high (local.get $low) (local.get $cp))))
    (i64.or
      (i64.add
        (call $high (local.get $high) (local.get $cp))
        (i64.extend_i32_u (i64.lt_u (local.get $sum) (local.get $y))))
      (i64.extend_i32_u (i64.gt_u (local.get $sum) (i64.const 1)))))

  ;; Shortest digits that read back as this positive, finite double: value = digits x 10^exponent. Zeros may end them.
  (func $shortest (param $bits i64) (result i64 i32)
    (local $fraction i64) (local $e i32) (local $c i64) (local $q i32) (local $closer i32) (local $k i32) (local $h i32)
    (local $power i32) (local $high i64) (local $low i64) (local $vb i64) (local $lower i64) (local $upper i64)
    (local $s i64) (local $tenth i64) (local $below i32) (local $above i32) (local $out i64)
    (local.set $fraction (i64.and (local.get $bits) (i64.const 0xfffffffffffff)))
    (local.set $e (i32.wrap_i64 (i64.shr_u (local.get $bits) (i64.const 52))))
    (if (local.get $e)
      (then
        (local.set $c (i64.or (local.get $fraction) (i64.const 0x10000000000000)))
        (local.set $q (i32.sub (local.get $e) (i32.const 1075)))
        ;; A whole number below 2^53 is its own digits.
        (if (i32.lt_u (i32.sub (i32.const 0) (local.get $q)) (i32.const 53))
          (then
            (if (i64.ge_u (i64.ctz (local.get $c)) (i64.extend_i32_u (i32.sub (i32.const 0) (local.get $q))))
              (then (return
                (i64.shr_u (local.get $c) (i64.extend_i32_u (i32.sub (i32.const 0) (local.get $q))))
                (i32.const 0)))))))
      (else
        (local.set $c (local.get $fraction))
        (local.set $q (i32.const -1074))))
    ;; At a power of two the double below is only half as far away.
    (local.set $closer
      (i32.and (i64.eqz (local.get $fraction)) (i32.gt_u (local.get $e) (i32.const 1))))
    (local.set $k
      (i32.shr_s
        (i32.sub
          (i32.mul (local.get $q) (i32.const 1262611))
          (i32.mul (local.get $closer) (i32.const 524031)))
        (i32.const 22)))
    (local.set $h
      (i32.add
        (i32.add (local.get $q) (i32.const 1))
        (i32.shr_s (i32.mul (i32.sub (i32.const 0) (local.get $k)) (i32.const 1741647)) (i32.const 19))))
    (local.set $power
      (i32.add (global.get $POWERS) (i32.shl (i32.sub (i32.const 292) (local.get $k)) (i32.const 4))))
    (local.set $high (i64.load (local.get $power)))
    (local.set $low (i64.load offset=8 (local.get $power)))
    (local.set $vb
      (call $odd (local.get $high) (local.get $low)
        (i64.shl (i64.shl (local.get $c) (i64.const 2)) (i64.extend_i32_u (local.get $h)))))
    ;; The bounds themselves round to an even double only.
    (local.set $lower
      (i64.add
        (call $odd (local.get $high) (local.get $low)
          (i64.shl
            (i64.add
              (i64.sub (i64.shl (local.get $c) (i64.const 2)) (i64.const 2))
              (i64.extend_i32_u (local.get $closer)))
            (i64.extend_i32_u (local.get $h))))
        (i64.and (local.get $c) (i64.const 1))))
    (local.set $upper
      (i64.sub
        (call $odd (local.get $high) (local.get $low)
          (i64.shl
            (i64.add (i64.shl (local.get $c) (i64.const 2)) (i64.const 2))
            (i64.extend_i32_u (local.get $h))))
        (i64.and (local.get $c) (i64.const 1))))
    (local.set $s (i64.shr_u (local.get $vb) (i64.const 2)))
    ;; A digit less, when exactly one of the two neighbours lies inside.
    (if (i64.ge_u (local.get $s) (i64.const 10))
      (then
        (local.set $tenth (i64.div_u (local.get $s) (i64.const 10)))
        (local.set $out (i64.mul (local.get $tenth) (i64.const 40)))
        (local.set $below (i64.le_u (local.get $lower) (local.get $out)))
        (local.set $above (i64.le_u (i64.add (local.get $out) (i64.const 40)) (local.get $upper)))
        (if (i32.ne (local.get $below) (local.get $above))
          (then (return
            (i64.add (local.get $tenth) (i64.extend_i32_u (local.get $above)))
            (i32.add (local.get $k) (i32.const 1)))))))
    (local.set $out (i64.shl (local.get $s) (i64.const 2)))
    (local.set $below (i64.le_u (local.get $lower) (local.get $out)))
    (local.set $above (i64.le_u (i64.add (local.get $out) (i64.const 4)) (local.get $upper)))
    (if (i32.ne (local.get $below) (local.get $above))
      (then (return (i64.add (local.get $s) (i64.extend_i32_u (local.get $above))) (local.get $k))))
    ;; Both: the closer one, of two as close the even one.
    (local.set $out (i64.add (local.get $out) (i64.const 2)))
    (return
      (i64.add (local.get $s)
        (i64.extend_i32_u
          (i32.or
            (i64.gt_u (local.get $vb) (local.get $out))
            (i32.and
              (i64.eq (local.get $vb) (local.get $out))
              (i32.wrap_i64 (i64.and (local.get $s) (i64.const 1)))))))
      (local.get $k)))

  ;; The last $n digits of $v, below 10^8, with zeros in front.
  (func $digits (param $v i32) (param $n i32) (param $at i32)
    (local $rest i32)
    (loop $pairs
      (if (i32.ge_u (local.get $n) (i32.const 2))
        (then
          (local.set $n (i32.sub (local.get $n) (i32.const 2)))
          (local.set $rest (i32.div_u (local.get $v) (i32.const 100)))
          (i32.store16
            (i32.add (local.get $at) (local.get $n))
            (i32.load16_u
              (i32.add
                (global.get $PAIRS)
                (i32.shl
                  (i32.sub (local.get $v) (i32.mul (local.get $rest) (i32.const 100)))
                  (i32.const 1)))))
          (local.set $v (local.get $rest))
          (br $pairs))))
    (if (local.get $n)
      (then (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.rem_u (local.get $v) (i32.const 10)))))))

  ;; All $n digits of $v, below 10^17.
  (func $whole (param $v i64) (param $n i32) (param $at i32)
    (local $rest i64)
    (loop $parts
      (if (i32.gt_u (local.get $n) (i32.const 8))
        (then
          (local.set $n (i32.sub (local.get $n) (i32.const 8)))
          (local.set $rest (i64.div_u (local.get $v) (i64.const 100000000)))
          (call $digits
            (i32.wrap_i64 (i64.sub (local.get $v) (i64.mul (local.get $rest) (i64.const 100000000))))
            (i32.const 8)
            (i32.add (local.get $at) (local.get $n)))
          (local.set $v (local.get $rest))
          (br $parts))))
    (call $digits (i32.wrap_i64 (local.get $v)) (local.get $n) (local.get $at)))

  ;; $s without $by zeros at its end; itself when it has fewer.
  (func $strip (param $s i64) (param $k i32) (param $power i64) (param $by i32) (result i64 i32)
    (local $rest i64)
    (local.set $rest (i64.div_u (local.get $s) (local.get $power)))
    (if (i64.eq (i64.mul (local.get $rest) (local.get $power)) (local.get $s))
      (then (return (local.get $rest) (i32.add (local.get $k) (local.get $by)))))
    (return (local.get $s) (local.get $k)))

  ;; Writes a number at $at, at most 24 bytes, and gives the place behind it.
  (func $number (export "number") (param $x f64) (param $at i32) (result i32)
    (local $bits i64) (local $s i64) (local $k i32) (local $n i32) (local $p i32)
    (local.set $bits (i64.reinterpret_f64 (local.get $x)))
    (if (f64.ne (local.get $x) (local.get $x))
      (then
        (i32.store (local.get $at) (i32.const 0x4e614e)) ;; NaN
        (return (i32.add (local.get $at) (i32.const 3)))))
    (if (f64.eq (local.get $x) (f64.const 0))
      (then
        (i32.store8 (local.get $at) (i32.const 48))
        (return (i32.add (local.get $at) (i32.const 1)))))
    (if (i64.lt_s (local.get $bits) (i64.const 0))
      (then
        (i32.store8 (local.get $at) (i32.const 45))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (local.set $bits (i64.and (local.get $bits) (i64.const 0x7fffffffffffffff)))))
    (if (i64.eq (local.get $bits) (i64.const 0x7ff0000000000000))
      (then
        (i64.store (local.get $at) (i64.const 0x7974696e69666e49)) ;; Infinity
        (return (i32.add (local.get $at) (i32.const 8)))))
    (call $shortest (local.get $bits))
    (local.set $k)
    (local.set $s)
    ;; Most means are short: 3e16 is one digit. The last digit tells whether there is anything to strip.
    (if (i64.eqz (i64.rem_u (local.get $s) (i64.const 10)))
      (then
        (call $strip (local.get $s) (local.get $k) (i64.const 100000000) (i32.const 8))
        (local.set $k) (local.set $s)
        (call $strip (local.get $s) (local.get $k) (i64.const 100000000) (i32.const 8))
        (local.set $k) (local.set $s)
        (call $strip (local.get $s) (local.get $k) (i64.const 10000) (i32.const 4))
        (local.set $k) (local.set $s)
        (call $strip (local.get $s) (local.get $k) (i64.const 100) (i32.const 2))
        (local.set $k) (local.set $s)
        (call $strip (local.get $s) (local.get $k) (i64.const 10) (i32.const 1))
        (local.set $k) (local.set $s)))
    ;; Number of digits: from the number of bits, then by looking.
    (local.set $n
      (i32.shr_u
        (i32.mul
          (i32.sub (i32.const 64) (i32.wrap_i64 (i64.clz (local.get $s))))
          (i32.const 1233))
        (i32.const 12)))
    (local.set $n
      (i32.add (local.get $n)
        (i64.ge_u (local.get $s)
          (i64.load (i32.add (global.get $TENS) (i32.shl (local.get $n) (i32.const 3)))))))
    ;; Place of the decimal point, behind so many digits (ECMAScript calls it n).
    (local.set $p (i32.add (local.get $n) (local.get $k)))
    (if (i32.le_u (i32.sub (local.get $p) (i32.const 1)) (i32.const 20))
      (then
        (if (i32.ge_s (local.get $k) (i32.const 0))
          (then
            (call $whole (local.get $s) (local.get $n) (local.get $at))
            (memory.fill (i32.add (local.get $at) (local.get $n)) (i32.const 48) (local.get $k))
            (return (i32.add (local.get $at) (local.get $p)))))
        (call $whole (local.get $s) (local.get $n) (i32.add (local.get $at) (i32.const 1)))
        (memory.copy (local.get $at) (i32.add (local.get $at) (i32.const 1)) (local.get $p))
        (i32.store8 (i32.add (local.get $at) (local.get $p)) (i32.const 46))
        (return (i32.add (i32.add (local.get $at) (local.get $n)) (i32.const 1)))))
    (if (i32.and (i32.le_s (local.get $p) (i32.const 0)) (i32.gt_s (local.get $p) (i32.const -6)))
      (then
        (i64.store (local.get $at) (i64.const 0x3030303030302e30)) ;; 0.000000
        (local.set $at (i32.sub (i32.add (local.get $at) (i32.const 2)) (local.get $p)))
        (call $whole (local.get $s) (local.get $n) (local.get $at))
        (return (i32.add (local.get $at) (local.get $n)))))
    (call $whole (local.get $s) (local.get $n) (i32.add (local.get $at) (i32.const 1)))
    (i32.store8 (local.get $at) (i32.load8_u offset=1 (local.get $at)))
    (local.set $at (i32.add (local.get $at) (i32.const 1)))
    (if (i32.gt_u (local.get $n) (i32.const 1))
      (then
        (i32.store8 (local.get $at) (i32.const 46))
        (local.set $at (i32.add (local.get $at) (local.get $n)))))
    (i32.store8 (local.get $at) (i32.const 101))
    (local.set $p (i32.sub (local.get $p) (i32.const 1)))
    (i32.store8 offset=1 (local.get $at)
      (select (i32.const 45) (i32.const 43) (i32.lt_s (local.get $p) (i32.const 0))))
    (if (i32.lt_s (local.get $p) (i32.const 0)) (then (local.set $p (i32.sub (i32.const 0) (local.get $p)))))
    (local.set $n
      (i32.add (i32.const 1)
        (i32.add (i32.ge_u (local.get $p) (i32.const 10)) (i32.ge_u (local.get $p) (i32.const 100)))))
    (call $digits (local.get $p) (local.get $n) (i32.add (local.get $at) (i32.const 2)))
    (i32.add (i32.add (local.get $at) (i32.const 2)) (local.get $n)))

  ;; YYYY-MM-DD of a day since 0000-03-01, into $DATE (H. Hinnant, "chrono-compatible low-level date algorithms").
  (func $date (param $day i32)
    (local $era i32) (local $of i32) (local $year i32) (local $month i32)
    (local.set $era (i32.div_u (local.get $day) (i32.const 146097)))
    (local.set $of (i32.sub (local.get $day) (i32.mul (local.get $era) (i32.const 146097))))
    (local.set $year
      (i32.div_u
        (i32.sub
          (i32.add
            (i32.sub (local.get $of) (i32.div_u (local.get $of) (i32.const 1460)))
            (i32.div_u (local.get $of) (i32.const 36524)))
          (i32.div_u (local.get $of) (i32.const 146096)))
        (i32.const 365)))
    (local.set $of
      (i32.sub (local.get $of)
        (i32.sub
          (i32.add (i32.mul (local.get $year) (i32.const 365)) (i32.div_u (local.get $year) (i32.const 4)))
          (i32.div_u (local.get $year) (i32.const 100)))))
    (local.set $month
      (i32.div_u (i32.add (i32.mul (local.get $of) (i32.const 5)) (i32.const 2)) (i32.const 153)))
    (call $digits
      (i32.add
        (i32.sub
          (local.get $of)
          (i32.div_u (i32.add (i32.mul (local.get $month) (i32.const 153)) (i32.const 2)) (i32.const 5)))
        (i32.const 1))
      (i32.const 2)
      (i32.add (global.get $DATE) (i32.const 8)))
    (local.set $month
      (i32.add (local.get $month)
        (select (i32.const 3) (i32.const -9) (i32.lt_u (local.get $month) (i32.const 10)))))
    (call $digits (local.get $month) (i32.const 2) (i32.add (global.get $DATE) (i32.const 5)))
    (call $digits
      (i32.add
        (i32.add (local.get $year) (i32.mul (local.get $era) (i32.const 400)))
        (i32.le_u (local.get $month) (i32.const 2)))
      (i32.const 4)
      (global.get $DATE))
    (i32.store8 offset=4 (global.get $DATE) (i32.const 45))
    (i32.store8 offset=7 (global.get $DATE) (i32.const 45)))

  ;; YYYY-MM-DDTHH:MM:SS.mmmZ of a time of the years 1 to 9999, in ms since 0000-03-01: 24 bytes.
  (func $time (param $ms i64) (param $at i32)
    (local $day i64) (local $of i32)
    (local.set $day (i64.div_u (local.get $ms) (i64.const 86400000)))
    (local.set $of (i32.wrap_i64 (i64.sub (local.get $ms) (i64.mul (local.get $day) (i64.const 86400000)))))
    (if (i64.ne (local.get $day) (global.get $day))
      (then
        (call $date (i32.wrap_i64 (local.get $day)))
        (global.set $day (local.get $day))))
    (i64.store (local.get $at) (i64.load (global.get $DATE)))
    (i32.store16 offset=8 (local.get $at) (i32.load16_u offset=8 (global.get $DATE)))
    (i32.store8 offset=10 (local.get $at) (i32.const 84))
    (call $digits (i32.div_u (local.get $of) (i32.const 3600000)) (i32.const 2) (i32.add (local.get $at) (i32.const 11)))
    (i32.store8 offset=13 (local.get $at) (i32.const 58))
    (call $digits
      (i32.rem_u (i32.div_u (local.get $of) (i32.const 60000)) (i32.const 60))
      (i32.const 2)
      (i32.add (local.get $at) (i32.const 14)))
    (i32.store8 offset=16 (local.get $at) (i32.const 58))
    (call $digits
      (i32.rem_u (i32.div_u (local.get $of) (i32.const 1000)) (i32.const 60))
      (i32.const 2)
      (i32.add (local.get $at) (i32.const 17)))
    (i32.store8 offset=19 (local.get $at) (i32.const 46))
    (call $digits (i32.rem_u (local.get $of) (i32.const 1000)) (i32.const 3) (i32.add (local.get $at) (i32.const 20)))
    (i32.store8 offset=23 (local.get $at) (i32.const 90)))

  ;; Writes the scored rows from $from to before $to, of the sensor whose name lies at $NAME, at $at. Gives the place
  ;; behind them.
  (func $rows (export "rows") (param $from i32) (param $to i32) (param $name i32) (param $at i32) (result i32)
    (local $at8 i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $from) (local.get $to)))
        (if (i32.load8_u (i32.add (global.get $SCORED) (local.get $from)))
          (then
            (local.set $at8 (i32.shl (local.get $from) (i32.const 3)))
            (call $time
              (i64.add
                (i64.trunc_f64_s (f64.load (i32.add (global.get $START) (local.get $at8))))
                (i64.const 62162035200000)) ;; 719,468 days to 1970
              (local.get $at))
            (local.set $at (i32.add (local.get $at) (i32.const 24)))
            (memory.copy (local.get $at) (global.get $NAME) (local.get $name))
            (local.set $at
              (call $number
                (f64.load (i32.add (global.get $MEAN) (local.get $at8)))
                (i32.add (local.get $at) (local.get $name))))
            (i32.store (local.get $at) (i32.const 0x2c302c)) ;; ,0,
            (if (i32.eq (i32.load8_u (i32.add (global.get $ANOMALY) (local.get $from))) (i32.const 1))
              (then (i32.store8 offset=1 (local.get $at) (i32.const 49))))
            (local.set $at
              (call $number
                (f64.load (i32.add (global.get $SCORE) (local.get $at8)))
                (i32.add (local.get $at) (i32.const 3))))
            (i32.store8 (local.get $at) (i32.const 10))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))))
        (local.set $from (i32.add (local.get $from) (i32.const 1)))
        (br $next)))
    (local.get $at)))
