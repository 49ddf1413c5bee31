"""Names, titles and places of the seeded company's market."""

FIRST = (
    "Anna", "Bo", "Claire", "Daan", "Emma", "Finn", "Greta", "Hugo", "Ines", "Jonas", "Karin", "Lars", "Mila",
    "Noah", "Olivia", "Pieter", "Quinn", "Ruben", "Sofie", "Thomas", "Una", "Victor", "Wim", "Xander", "Yara",
    "Zoë", "Åsa", "Björn", "Chloé", "Dmitri", "Elif", "François", "Gül", "Håkon", "Iván", "Jürgen", "Kübra",
    "Łukasz", "Måns", "Núria",
)  # fmt: skip
LAST = (
    "Peeters", "Janssens", "Maes", "Jacobs", "Mertens", "Willems", "Claes", "Goossens", "Wouters", "De_Smet",
    "Jansen", "de_Vries", "van_den_Berg", "Bakker", "Visser", "Smit", "Meijer", "Bos", "Mulder", "Nielsen",
    "Hansen", "Jensen", "Andersen", "Larsen", "Schmidt", "Müller", "Weber", "Fischer", "Wagner", "Dubois",
    "Laurent", "Moreau", "García", "Rossi", "O'Brien",
)  # fmt: skip
COMPANY_HEADS = (
    "Nordlicht", "Fjord", "Canal", "Delta", "Harbour", "Polder", "Tulip", "Meridian", "Quartz", "Lumen",
    "Vector", "Atlas", "Orbit", "Beacon", "Cobalt", "Ember", "Granite", "Juniper", "Kestrel", "Larch",
    "Maple", "Nimbus", "Osprey", "Pinnacle", "Raven", "Saffron", "Timber", "Umbra", "Vela", "Willow",
)  # fmt: skip
COMPANY_TAILS = (
    "Software",
    "Systems",
    "Bank",
    "Finance",
    "Logistics",
    "Foods",
    "Media",
    "Analytics",
    "Energy",
    "Consulting",
)
TITLES = (
    ("CTO", 9), ("VP Sales", 8), ("Head of Marketing", 8), ("Marketing Manager", 12), ("Sales Director", 8),
    ("RevOps Lead", 7),
    ("Account Executive", 7), ("Software Engineer", 7), ("CEO & Founder", 5), ("Office Manager", 4), ("student", 3),
    ("Marketing intern", 3), ("Stagiair", 1), ("", 12), ("  Head of  IT ", 1), ("N/A", 1),
)  # fmt: skip
COUNTRIES = (
    ("België", 10), ("Belgium", 9), ("belgium", 3), ("BE", 6), ("be", 2), (" Belgium ", 1), ("Belgique", 2),
    ("Nederland", 5),
    ("Netherlands", 8), ("NL", 6), ("nl", 2), ("The Netherlands", 2), ("Germany", 6), ("Deutschland", 3), ("DE", 2),
    ("France", 5),
    ("Denmark", 3), ("UK", 3), ("USA", 3), ("", 12), ("-", 1),
)  # fmt: skip
HOME = (("België", 3), ("Belgium", 4), ("BE", 3), ("Netherlands", 3), ("NL", 2))
EMPLOYEES = (
    ("12", 8), ("18", 5), ("19", 3), ("20", 4), ("45", 12), ("120", 14), ("250", 12), ("640", 8), ("999", 3), ("1000",
    4),
    ("5200", 6), ("1,200", 4), ("ca. 50", 1), (" 80 ", 1), ("50-100", 1), ("", 10), ("0", 1),
)  # fmt: skip
FORMS = (
    ("b7c1d2e3-0001-4a6b-9c00-5f0e00000001", "Book a demo", "hubspot", "/demo"),
    ("b7c1d2e3-0002-4a6b-9c00-5f0e00000002", "Contact sales", "hubspot", "/contact"),
    ("b7c1d2e3-0003-4a6b-9c00-5f0e00000003", "Ebook: Lead scoring that sales believes", "hubspot",
    "/ebooks/lead-scoring"),
    ("b7c1d2e3-0004-4a6b-9c00-5f0e00000004", "Ebook: Clean data in 30 days", "hubspot", "/ebooks/clean-data"),
    ("b7c1d2e3-0005-4a6b-9c00-5f0e00000005", "Newsletter", "flow", "/blog"),
    ("b7c1d2e3-0006-4a6b-9c00-5f0e00000006", "Blog comments", "blog_comment", "/blog"),
)  # fmt: skip
OWNERS = (
    (41_629_779, 9_586_504, "anna.owner@acme.example", "Anna", "Owens", False),
    (41_629_780, 9_586_505, "bo.owner@acme.example", "Bo", "Lindqvist", False),
    (41_629_781, 9_586_506, "chris.owner@acme.example", "Chris", "Aerts", False),
    (41_629_782, 9_586_507, "dora.owner@acme.example", "Dora", "Blom", False),
    (41_629_783, 9_586_508, "left.owner@acme.example", "Evert", "Left", True),
)  # fmt: skip
RETURN_REASONS = (("not_now", 4), ("no_budget", 3), ("not_icp", 2), ("bad_data", 1))
CAMPAIGNS = (
    ("", 50),
    ("brand-search", 10),
    ("nordic-fintech-q1", 6),
    ("webinar-october", 8),
    ("retargeting", 6),
)
BRANCHES = {
    "SOFTWARE": ("Software", "Systems", "Analytics"),
    "FINANCE": ("Bank", "Finance", "Capital"),
    "MANUFACTURING": ("Works", "Engineering", "Tools"),
    "LOGISTICS": ("Logistics", "Shipping", "Freight"),
    "RETAIL": ("Foods", "Stores", "Outfitters"),
    "EDUCATION": ("Academy", "College", "Learning"),
    "HEALTHCARE": ("Clinics", "Health", "Care"),
    "CONSULTING": ("Consulting", "Advisers", "Partners"),
}
LEGAL_FORMS = ("", "NV", "", "BV", "", "GmbH", "ApS", "", "SA", "")
PHRASES = {
    "calls": (
        "Intro call", "Discovery call", "Follow-up on the demo", "Pricing questions", "Call back as asked",
        "Check in before the renewal", "Reached reception only", "Questions about the integration",
        "Qualification call", "Cold call",
    ),
    "emails": (
        "Re: your question about integrations", "Re: proposal", "Slides from Tuesday", "Quick question",
        "Re: Re: timing", "Security questionnaire", "Invitation: product walk-through", "Following up",
        "Re: who else should join?", "Thanks for your time",
    ),
    "meetings": (
        "Product demo", "Discovery", "Technical deep dive", "Proposal review", "Kick-off", "Quarterly review",
        "Pricing and contract", "Coffee at the fair",
    ),
    "notes": (
        "Wants to see the ERP integration first.", "Budget round is in spring, call again then.",
        "Met at the fair; took the brochure.", "Uses a spreadsheet today, no budget owner yet.",
        "CFO has to agree. Send the business case.", "Left the company? Out-of-office since March.",
        "Compares us with two others.", "Happy with support, could be a reference.",
    ),
    "tasks": (
        "Follow up", "Send the proposal", "Ask for the budget owner", "Prepare the demo", "Call back",
        "Check the data before the call", "Renewal: talk about seats",
    ),
    "communications": (
        "Running five minutes late!", "Thanks, see you on Thursday.", "Could you resend the link?",
        "Congratulations on the new role!", "Is next week any good?", "Got it, will forward it to the team.",
    ),
    "deals": ("annual licence", "pilot", "extra seats", "onboarding package", "two-year plan"),
}  # fmt: skip
"""What the portal's own people write."""
