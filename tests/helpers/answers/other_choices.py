"""More hard choices, `(choices, gold, right, not right)`: scripts, letters, units, denials."""

_WAYS = ("他走进了房间", "他走出了房间", "他没有走进房间", "不知道")
_LARGE = ("red", "dark red", "dark red car", "a red or blue car")

OTHER_CHOICES = [
    (
        _WAYS,
        _WAYS[0],
        ["A", "选A", "答案是A", "答案:A", "A、他走进了房间", "我选择A", "因此选A", "正确答案是A。"],
        [
            "不选A",
            "我不选A",
            "别选A",
            "不应该选A",
            "我不会选择A",
            "没有选A",
            "不能选A",
            "答案非A",
            "A或B",
        ]
        + [
            "答案是A吗",
            "答案可能是A",
            "选A,但是B也对",
            "选A还是选B",
            "答案是A,不对",
            "答案是A,其实是B",
        ]
        + ["选A错误", "排除A", "除了A", "他没有走进了房间", "B、他走进了房间"],
    ),
    (
        ("B", "C", "A", "D"),  # the letters of other choices
        "A",
        ["A", "C. A", "The answer is A", "(C) A", "Answer: A"],
        ["B", "C", "D", "The answer is C", "A. B", "Option C", "Option A", "(A)", "A or C"],
    ),
    (
        _LARGE,  # ends with an article that is no letter
        _LARGE[3],
        [_LARGE[3], "D", "The answer is a red or blue car.", "D. a red or blue car"],
        ["red", "The answer is a red", "red or D", "a red or dark red car", "A. a red or blue car"],
    ),
    (
        ("5 kg", "5 g", "50 g"),
        "5 kg",
        ["5 kg", "5kg", "A. 5kg", "The answer is 5kg."],
        ["5", "5g", "50kg", "15 kg", "kg", "5 kg or 5 g", "B. 5kg", "-5kg"],
    ),
    (
        ("00:15", "01:30"),
        "01:30",
        ["1m30s", "1min30s", "1 min 30 s"],
        ["1m3s", "130s", "1h30m", "1m30", "30m1s"],
    ),
    (
        ("Yes", "No"),
        "No",
        [
            "No, he does not.",
            "No, the man doesn't leave.",
            "No, it isn't.",
            "No. They were not there.",
        ],
        ["No, it is not wrong", "No, he does not deny it", "No, he did not, but maybe", "No idea"]
        + [
            "No, he is not sure",
            "Yes, he does not",
            "Yes, it is not.",
            "No, it is not no",
        ],
    ),
    (
        ("красный", "синий"),
        "синий",
        ["Ответ: B", "Ответ — синий", "ответ – B"],
        ["не синий", "Ответ: не B", "Ответ — красный"],
    ),
    (
        ("A、red", "B、blue"),
        "B、blue",
        ["blue", "B", "(B) blue", "The answer is blue", "B、blue"],
        ["red", "A", "A、blue", "B. red", "not blue"],
    ),
    (
        ("Option A: red", "Option B: blue"),
        "Option B: blue",
        ["blue", "B", "Option B", "Option B: blue", "The answer is Option B."],
        ["red", "Option A", "Option A: blue", "not Option B"],
    ),
]
