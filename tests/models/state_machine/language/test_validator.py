"""The validator: every rule, with a definition that breaks just that one, and the place where it says so."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from durable_sim.models.state_machine.language.validator import Problem, problems

Definition = dict[str, Any]
Change = Callable[[Definition], Any]

ARN = "arn:aws:lambda:us-east-1:123456789012:function:charge"
TASK = {"Type": "Task", "Resource": ARN, "End": True}
RETRIER = {"ErrorEquals": ["Card.Declined"], "IntervalSeconds": 2, "MaxDelaySeconds": 9, "JitterStrategy": "FULL"}
BRANCH = {"StartAt": "Inner", "States": {"Inner": {"Type": "Pass", "End": True}}}
PROCESSOR = {
    "ProcessorConfig": {"Mode": "INLINE"},
    "StartAt": "Item",
    "States": {"Item": {"Type": "Pass", "End": True}},
}

JSONPATH: Definition = {
    "Comment": "every type of state",
    "StartAt": "Charge",
    "TimeoutSeconds": 3600,
    "States": {
        "Charge": {
            "Type": "Task",
            "Resource": ARN,
            "InputPath": "$.order",
            "Parameters": {"id.$": "$.id", "key.$": "States.Format('{}', $.id)", "list": [{"at.$": "$$.State.Name"}]},
            "ResultSelector": {"id.$": "$.charge"},
            "ResultPath": "$.charge",
            "OutputPath": "$",
            "TimeoutSeconds": 60,
            "HeartbeatSeconds": 20,
            "Retry": [RETRIER, {"ErrorEquals": ["States.ALL"], "MaxAttempts": 0, "BackoffRate": 1}],
            "Catch": [
                {"ErrorEquals": ["Card.Declined"], "Next": "No", "ResultPath": "$.error"},
                {"ErrorEquals": ["States.ALL"], "Next": "No", "Assign": {"why.$": "$.Cause"}},
            ],
            "Assign": {"charge_id.$": "$.charge", "n": 1},
            "Next": "Pick",
        },
        "Pick": {
            "Type": "Choice",
            "Choices": [
                {"Variable": "$.n", "NumericEquals": 1, "Next": "Pause"},
                {
                    "And": [{"Variable": "$.n", "IsPresent": True}, {"Not": {"Variable": "$.n", "IsNull": True}}],
                    "Next": "All",
                },
            ],
            "Default": "Each",
        },
        "Pause": {"Type": "Wait", "Seconds": 5, "Next": "All"},
        "All": {"Type": "Parallel", "Branches": [BRANCH], "Next": "Each"},
        "Each": {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": PROCESSOR, "MaxConcurrency": 3, "Next": "Yes"},
        "Yes": {"Type": "Succeed"},
        "No": {"Type": "Fail", "Error": "Order.Failed", "CausePath": "$.error.Cause"},
    },
}
JSONATA: Definition = {
    "QueryLanguage": "JSONata",
    "StartAt": "Charge",
    "States": {
        "Charge": {
            "Type": "Task",
            "Resource": ARN,
            "Arguments": {"id": "{% $states.input.id %}"},
            "TimeoutSeconds": "{% $states.input.patience %}",
            "Output": "{% $states.result %}",
            "Assign": {"charge": "{% $states.result.id %}"},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Output": "{% $states.errorOutput %}", "Next": "No"}],
            "Next": "Pick",
        },
        "Pick": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $charge = 1 %}", "Next": "Each"}],
            "Default": "Wait a bit",
        },
        "Wait a bit": {"Type": "Wait", "Timestamp": "{% $states.input.at %}", "Next": "Each"},
        "Each": {"Type": "Map", "Items": "{% $states.input.items %}", "ItemProcessor": PROCESSOR, "End": True},
        "No": {"Type": "Fail", "Error": "{% $states.input.Error %}"},
    },
}


def put(*keys_and_value: Any) -> Change:
    """A change that puts a value under the keys that lead there from $.States."""
    *keys, last, value = keys_and_value

    def change(definition: Definition) -> None:
        at: Any = definition["States"]
        for key in keys:
            at = at[key]
        at[last] = value

    return change


def top(key: str, value: Any) -> Change:
    """A change of a field of the machine itself."""
    return lambda definition: definition.__setitem__(key, value)


def drop(*keys: Any) -> Change:
    """A change that removes a field."""

    def change(definition: Definition) -> None:
        at: Any = definition["States"]
        for key in keys[:-1]:
            at = at[key]
        del at[keys[-1]]

    return change


def both(*changes: Change) -> Change:
    return lambda definition: [change(definition) for change in changes]


def found(base: Definition, change: Change) -> list[Problem]:
    """The problems after a change of a copy."""
    definition = copy.deepcopy(base)
    change(definition)
    return problems(definition)


C, R = "Charge", "$.States.Charge.Retry[0]"
RULE = ("Pick", "Choices", 0)
RULE_PATH = "$.States.Pick.Choices[0]"


def retrier(**fields: Any) -> Change:
    return put(C, "Retry", 0, {"ErrorEquals": ["Card.Declined"], **fields})


def rule(**fields: Any) -> Change:
    return put(*RULE, {"Next": "Pause", **fields})


def distributed(**fields: Any) -> Change:
    config = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    return both(
        put("Each", "ItemProcessor", "ProcessorConfig", config), *(put("Each", *each) for each in fields.items())
    )


BROKEN: list[tuple[str, str, Change, str]] = [
    # the machine
    ("no StartAt", "$", lambda d: d.pop("StartAt"), "has no StartAt"),
    ("StartAt is no text", "$.StartAt", top("StartAt", 3), "found 3, expected a text"),
    ("StartAt is no state", "$.StartAt", top("StartAt", "Chrage"), "did you mean 'Charge'?"),
    ("an unknown field", "$.Coment", top("Coment", ""), "did you mean 'Comment'?"),
    ("another version", "$.Version", top("Version", "2.0"), "'1.0'"),
    ("an unknown language", "$.QueryLanguage", top("QueryLanguage", "SQL"), "'JSONPath' or 'JSONata'"),
    ("a timeout of 0", "$.TimeoutSeconds", top("TimeoutSeconds", 0), "from 1 to 99999999"),
    ("a comment that is no text", "$.Comment", top("Comment", 1), "a text"),
    ("no States", "$", lambda d: d.pop("States"), "has no States"),
    ("States is a list", "$.States", top("States", []), "an object"),
    ("no state at all", "$.States", top("States", {}), "at least one"),
    # states and where they lead
    ("a state is a list", "$.States.Yes", put("Yes", []), "an object"),
    ("no Type", "$.States.Yes", put("Yes", {}), "has no Type"),
    ("an unknown Type", "$.States.Yes.Type", put("Yes", {"Type": "Success"}), "did you mean 'Succeed'?"),
    ("an unknown field of a state", "$.States.Charge.Retries", put(C, "Retries", []), "did you mean 'Retry'?"),
    ("a field of another type", "$.States.Pause.ResultPath", put("Pause", "ResultPath", "$.a"), "does not have"),
    ("neither Next nor End", "$.States.Each", drop("Each", "Next"), "neither Next nor End"),
    ("End is false", "$.States.All", both(drop("All", "Next"), put("All", "End", False)), "neither Next nor End"),
    ("both Next and End", "$.States.All", put("All", "End", True), "both Next and End"),
    ("End is a text", "$.States.All.End", put("All", "End", "true"), "true or false"),
    ("Next is no state", "$.States.Pause.Next", put("Pause", "Next", "Al"), "did you mean 'All'?"),
    ("Next is a number", "$.States.Pause.Next", put("Pause", "Next", 1), "a text"),
    ("Default is no state", "$.States.Pick.Default", put("Pick", "Default", "Eachh"), "did you mean 'Each'?"),
    ("a Choice with Next", "$.States.Pick.Next", put("Pick", "Next", "Yes"), "does not have"),
    ("a Choice with End", "$.States.Pick.End", put("Pick", "End", True), "does not have"),
    ("a Succeed with Next", "$.States.Yes.Next", put("Yes", "Next", "No"), "does not have"),
    ("a state never reached", "$.States.Lost", put("Lost", {"Type": "Succeed"}), "nothing leads to this state"),
    (
        "a name of 81 characters",
        f"$.States.{'x' * 81}",
        both(put("x" * 81, {"Type": "Wait", "Seconds": 1, "Next": "Yes"}), put("Each", "Next", "x" * 81)),
        "expected 1 to 80",
    ),
    # paths and templates
    ("InputPath is no path", "$.States.Charge.InputPath", put(C, "InputPath", "order"), "does not begin with"),
    ("InputPath is a call", "$.States.Charge.InputPath", put(C, "InputPath", "States.UUID()"), "a path like"),
    ("OutputPath does not parse", "$.States.Charge.OutputPath", put(C, "OutputPath", "$.a["), "does not parse"),
    ("ResultPath selects", "$.States.Charge.ResultPath", put(C, "ResultPath", "$.a[*]"), "a reference path"),
    ("ResultPath is context", "$.States.Charge.ResultPath", put(C, "ResultPath", "$$.a"), "into the input"),
    ("ResultPath is a variable", "$.States.Charge.ResultPath", put(C, "ResultPath", "$a.b"), "into the input"),
    ("ItemsPath is null", "$.States.Each.ItemsPath", put("Each", "ItemsPath", None), "a reference path"),
    ("Parameters is a text", "$.States.Charge.Parameters", put(C, "Parameters", "$.a"), "an object"),
    ("a template's path", "$.States.Charge.Parameters.a.$", put(C, "Parameters", {"a.$": "$.["}), "does not parse"),
    ("a template's number", "$.States.Charge.Parameters.a.$", put(C, "Parameters", {"a.$": 1}), "found 1"),
    ("a path far inside", "$.States.Charge.Parameters.l[0].b.$", put(C, "Parameters", {"l": [{"b.$": "x"}]}), "a path"),
    ("a template's field twice", "$.States.Charge.Parameters.a.$", put(C, "Parameters", {"a": 1, "a.$": "$"}), "both"),
    (
        "an unknown function",
        "$.States.Charge.Parameters.a.$",
        put(C, "Parameters", {"a.$": "States.Now()"}),
        "no function",
    ),
    (
        "a call left open",
        "$.States.Charge.ResultSelector.a.$",
        put(C, "ResultSelector", {"a.$": "States.Array("}),
        "end",
    ),
    (
        "too few arguments",
        "$.States.Each.ItemSelector.a.$",
        put("Each", "ItemSelector", {"a.$": "States.MathAdd(1)"}),
        "2",
    ),
    (
        "a blank before a call",
        "$.States.Charge.Parameters.a.$",
        put(C, "Parameters", {"a.$": " States.UUID()"}),
        "call",
    ),
    ("Assign is a list", "$.States.Charge.Assign", put(C, "Assign", []), "an object"),
    ("a variable's name", "$.States.Charge.Assign.1a", put(C, "Assign", {"1a": 1}), "letters, digits and _"),
    ("the variable states", "$.States.Charge.Assign.states", put(C, "Assign", {"states": 1}), "reserved"),
    ("a long variable", f"$.States.Charge.Assign.{'v' * 81}", put(C, "Assign", {"v" * 81: 1}), "at most 80"),
    ("a variable's path", "$.States.Charge.Assign.a.$", put(C, "Assign", {"a.$": "b"}), "a path like"),
    # tasks and timeouts
    ("no Resource", "$.States.Charge", drop(C, "Resource"), "has no Resource"),
    ("an empty Resource", "$.States.Charge.Resource", put(C, "Resource", ""), "not empty"),
    ("TimeoutSeconds as a text", "$.States.Charge.TimeoutSeconds", put(C, "TimeoutSeconds", "60"), "whole number"),
    ("TimeoutSeconds as true", "$.States.Charge.TimeoutSeconds", put(C, "TimeoutSeconds", True), "whole number"),
    ("a fraction", "$.States.Charge.HeartbeatSeconds", put(C, "HeartbeatSeconds", 1.5), "whole number"),
    ("a heartbeat too long", "$.States.Charge.HeartbeatSeconds", put(C, "HeartbeatSeconds", 60), "less than"),
    ("two timeouts", "$.States.Charge", put(C, "TimeoutSecondsPath", "$.t"), "expected one of them"),
    ("two heartbeats", "$.States.Charge", put(C, "HeartbeatSecondsPath", "$.t"), "expected one of them"),
    ("credentials as a text", "$.States.Charge.Credentials", put(C, "Credentials", "me"), "an object"),
    # Retry and Catch
    ("Retry is an object", "$.States.Charge.Retry", put(C, "Retry", {}), "a list of retriers"),
    ("a retrier is a text", R, put(C, "Retry", 0, "all"), "an object"),
    ("no ErrorEquals", R, put(C, "Retry", 0, {}), "has no ErrorEquals"),
    ("empty ErrorEquals", f"{R}.ErrorEquals", put(C, "Retry", 0, {"ErrorEquals": []}), "at least one"),
    ("a number in ErrorEquals", f"{R}.ErrorEquals[0]", put(C, "Retry", 0, {"ErrorEquals": [1]}), "a text"),
    ("no such error", f"{R}.ErrorEquals[0]", put(C, "Retry", 0, {"ErrorEquals": ["States.All"]}), "'States.ALL'?"),
    ("ALL with another", f"{R}.ErrorEquals", put(C, "Retry", 0, {"ErrorEquals": ["States.ALL", "A"]}), "alone"),
    ("ALL before another", f"{R}.ErrorEquals", put(C, "Retry", [{"ErrorEquals": ["States.ALL"]}, RETRIER]), "last one"),
    ("IntervalSeconds 0", f"{R}.IntervalSeconds", retrier(IntervalSeconds=0), "from 1"),
    ("MaxAttempts below 0", f"{R}.MaxAttempts", retrier(MaxAttempts=-1), "from 0 to 99999999"),
    ("MaxAttempts too many", f"{R}.MaxAttempts", retrier(MaxAttempts=100_000_000), "from 0 to 99999999"),
    ("BackoffRate below 1", f"{R}.BackoffRate", retrier(BackoffRate=0.5), "at least 1"),
    ("MaxDelaySeconds 0", f"{R}.MaxDelaySeconds", retrier(MaxDelaySeconds=0), "from 1 to 31622400"),
    ("MaxDelaySeconds too long", f"{R}.MaxDelaySeconds", retrier(MaxDelaySeconds=31_622_401), "from 1 to 31622400"),
    ("MaxDelay at Interval", f"{R}.MaxDelaySeconds", retrier(MaxDelaySeconds=5, IntervalSeconds=5), "more than"),
    ("another jitter", f"{R}.JitterStrategy", retrier(JitterStrategy="HALF"), "'FULL' or 'NONE'"),
    ("an unknown field of Retry", f"{R}.Interval", retrier(Interval=1), "IntervalSeconds"),
    ("Catch is a text", "$.States.Charge.Catch", put(C, "Catch", "No"), "a list of catchers"),
    ("a catcher without Next", "$.States.Charge.Catch[1]", drop(C, "Catch", 1, "Next"), "has no Next"),
    ("a catcher to nowhere", "$.States.Charge.Catch[0].Next", put(C, "Catch", 0, "Next", "Noo"), "did you mean 'No'?"),
    ("a catcher's path", "$.States.Charge.Catch[0].ResultPath", put(C, "Catch", 0, "ResultPath", "$..a"), "reference"),
    ("a catcher's Output", "$.States.Charge.Catch[0].Output", put(C, "Catch", 0, "Output", 1), "does not have"),
    ("a Pass with Retry", "$.States.Pause.Retry", put("Pause", "Retry", []), "does not have"),
    # Choice
    ("no Choices", "$.States.Pick", put("Pick", {"Type": "Choice", "Default": "Pause"}), "has no Choices"),
    (
        "empty Choices",
        "$.States.Pick.Choices",
        put("Pick", {"Type": "Choice", "Choices": [], "Default": "Pause"}),
        "one",
    ),
    ("a rule is a text", RULE_PATH, put(*RULE, "yes"), "an object"),
    ("no operator", RULE_PATH, rule(Variable="$.n"), "no operator"),
    ("two operators", RULE_PATH, rule(Variable="$.n", IsNull=True, IsString=True), "expected one operator"),
    ("an unknown operator", f"{RULE_PATH}.NumericEqual", rule(Variable="$.n", NumericEqual=1), "'NumericEquals'?"),
    ("no Variable", RULE_PATH, rule(), "none of Variable, And, Or, Not"),
    (
        "Variable and And",
        RULE_PATH,
        rule(Variable="$.n", IsNull=True, And=[{"Variable": "$", "IsNull": True}]),
        "one of",
    ),
    ("Variable is no path", f"{RULE_PATH}.Variable", rule(Variable="n", IsNull=True), "a path like"),
    ("a rule without Next", RULE_PATH, put(*RULE, {"Variable": "$.n", "IsNull": True}), "has no Next"),
    ("a rule to nowhere", f"{RULE_PATH}.Next", rule(Variable="$.n", IsNull=True, Next="Pausse"), "'Pause'?"),
    ("an inner Next", f"{RULE_PATH}.Not.Next", rule(Not={"Variable": "$", "IsNull": True, "Next": "Yes"}), "not have"),
    ("an empty And", f"{RULE_PATH}.And", rule(And=[]), "at least one"),
    ("an Or of texts", f"{RULE_PATH}.Or[0]", rule(Or=["a"]), "an object"),
    ("a Not of a list", f"{RULE_PATH}.Not", rule(Not=[]), "an object"),
    ("an inner operator", f"{RULE_PATH}.Or[0].IsNull", rule(Or=[{"Variable": "$", "IsNull": "yes"}]), "true or false"),
    ("a text for a number", f"{RULE_PATH}.NumericEquals", rule(Variable="$.n", NumericEquals="1"), "a number"),
    ("true for a number", f"{RULE_PATH}.NumericLessThan", rule(Variable="$.n", NumericLessThan=True), "a number"),
    ("a number for a text", f"{RULE_PATH}.StringEquals", rule(Variable="$.n", StringEquals=1), "a text"),
    ("a text for a boolean", f"{RULE_PATH}.BooleanEquals", rule(Variable="$.n", BooleanEquals="true"), "true or false"),
    (
        "a date for a timestamp",
        f"{RULE_PATH}.TimestampEquals",
        rule(Variable="$.n", TimestampEquals="2027-01-01"),
        "T12",
    ),
    ("a number for a path", f"{RULE_PATH}.NumericEqualsPath", rule(Variable="$.n", NumericEqualsPath=1), "a path like"),
    ("a number for a pattern", f"{RULE_PATH}.StringMatches", rule(Variable="$.n", StringMatches=1), "a text"),
    # Wait, Fail
    ("a Wait for nothing", "$.States.Pause", drop("Pause", "Seconds"), "expected exactly one"),
    ("a Wait for two things", "$.States.Pause", put("Pause", "SecondsPath", "$.s"), "expected one of them"),
    ("negative Seconds", "$.States.Pause.Seconds", put("Pause", "Seconds", -1), "from 0"),
    (
        "a Wait until noon",
        "$.States.Pause.Timestamp",
        put("Pause", {"Type": "Wait", "Timestamp": "noon", "Next": "All"}),
        "T12",
    ),
    (
        "SecondsPath selects",
        "$.States.Pause.SecondsPath",
        put("Pause", {"Type": "Wait", "SecondsPath": "$..s", "Next": "All"}),
        "ref",
    ),
    ("two errors", "$.States.No", put("No", "ErrorPath", "$.e"), "Error and ErrorPath"),
    ("two causes", "$.States.No", put("No", "Cause", "c"), "Cause and CausePath"),
    ("an Error of a number", "$.States.No.Error", put("No", "Error", 1), "a text"),
    ("a CausePath of a call", "$.States.No.CausePath", put("No", "CausePath", "States.Cause()"), "no function"),
    # Parallel and Map
    ("no Branches", "$.States.All", drop("All", "Branches"), "has no Branches"),
    ("a branch is a text", "$.States.All.Branches[0]", put("All", "Branches", 0, "b"), "an object"),
    ("a branch without StartAt", "$.States.All.Branches[0]", drop("All", "Branches", 0, "StartAt"), "has no StartAt"),
    (
        "a field of a branch",
        "$.States.All.Branches[0].TimeoutSeconds",
        put("All", "Branches", 0, "TimeoutSeconds", 1),
        "not have",
    ),
    (
        "a branch that leads out",
        "$.States.All.Branches[0].States.Inner.Next",
        put("All", "Branches", 0, "States", "Inner", {"Type": "Wait", "Seconds": 1, "Next": "Yes"}),
        "which is no state here",
    ),
    (
        "a name that is taken",
        "$.States.Each.ItemProcessor.States.Yes",
        put("Each", "ItemProcessor", {"StartAt": "Yes", "States": {"Yes": {"Type": "Succeed"}}}),
        "first at $.States.Yes",
    ),
    (
        "a processor's states",
        "$.States.Each.ItemProcessor.States.Item.Foo",
        put("Each", "ItemProcessor", "States", "Item", "Foo", 1),
        "'Foo'",
    ),
    ("no processor", "$.States.Each", drop("Each", "ItemProcessor"), "none of ItemProcessor, Iterator"),
    (
        "two processors",
        "$.States.Each",
        put("Each", "Iterator", {"StartAt": "I2", "States": {"I2": {"Type": "Succeed"}}}),
        "one of",
    ),
    ("a processor is a text", "$.States.Each.ItemProcessor", put("Each", "ItemProcessor", "p"), "an object"),
    (
        "another mode",
        "$.States.Each.ItemProcessor.ProcessorConfig.Mode",
        put("Each", "ItemProcessor", "ProcessorConfig", {"Mode": "FAST"}),
        "'INLINE'",
    ),
    (
        "a distributed Map without its type",
        "$.States.Each.ItemProcessor.ProcessorConfig",
        put("Each", "ItemProcessor", "ProcessorConfig", {"Mode": "DISTRIBUTED"}),
        "has no ExecutionType",
    ),
    (
        "tolerance in an inline Map",
        "$.States.Each.ToleratedFailureCount",
        put("Each", "ToleratedFailureCount", 1),
        "DISTRIBUTED",
    ),
    ("a MaxConcurrency of a text", "$.States.Each.MaxConcurrency", put("Each", "MaxConcurrency", "3"), "whole number"),
    ("a batcher of a text", "$.States.Each.ItemBatcher", distributed(ItemBatcher="b"), "an object"),
    (
        "a path in a reader",
        "$.States.Each.ItemReader.Parameters.Key.$",
        distributed(ItemReader={"Resource": ARN, "Parameters": {"Key.$": "key"}}),
        "a path like",
    ),
    ("a long label", "$.States.Each.Label", distributed(Label="x" * 41), "at most 40"),
    ("two MaxConcurrency", "$.States.Each", put("Each", "MaxConcurrencyPath", "$.m"), "expected one of them"),
    (
        "two selectors",
        "$.States.Each",
        both(put("Each", "ItemSelector", {}), put("Each", "Parameters", {})),
        "one of them",
    ),
    # JSONata in a JSONPath state
    ("Arguments in JSONPath", "$.States.Charge.Arguments", put(C, "Arguments", {}), "a field of JSONata"),
    ("Items in JSONPath", "$.States.Each.Items", put("Each", "Items", []), "a field of JSONata"),
    (
        "Condition in JSONPath",
        f"{RULE_PATH}.Condition",
        rule(Variable="$.n", IsNull=True, Condition="{% true %}"),
        "not have",
    ),
    ("a state's language", "$.States.Yes.QueryLanguage", put("Yes", "QueryLanguage", 1), "'JSONPath'"),
]

BROKEN_JSONATA: list[tuple[str, str, Change, str]] = [
    ("InputPath in JSONata", "$.States.Charge.InputPath", put(C, "InputPath", "$"), "a field of JSONPath"),
    ("ResultPath in JSONata", "$.States.Charge.ResultPath", put(C, "ResultPath", None), "a field of JSONPath"),
    ("a field of neither", "$.States.Charge.Result", put(C, "Result", 1), "does not have"),
    (
        "a path in a template",
        "$.States.Charge.Arguments.a.$",
        put(C, "Arguments", {"a.$": "$.a"}),
        "in a JSONata state",
    ),
    ("an expression left open", "$.States.Charge.Output", put(C, "Output", "{% $states.result"), "an expression"),
    ("an expression that does not parse", "$.States.Charge.Output", put(C, "Output", "{% $sum( %}"), "does not parse"),
    ("an expression far inside", "$.States.Charge.Arguments.a[0]", put(C, "Arguments", {"a": ["{% ( %}"]}), "parse"),
    ("a rule with a Variable", f"{RULE_PATH}.Variable", put(*RULE, "Variable", "$.a"), "does not have"),
    ("a Condition of a text", f"{RULE_PATH}.Condition", put(*RULE, "Condition", "yes"), "true or false"),
    ("a rule without Condition", RULE_PATH, drop(*RULE, "Condition"), "has no Condition"),
    (
        "a catcher's ResultPath",
        "$.States.Charge.Catch[0].ResultPath",
        put(C, "Catch", 0, "ResultPath", "$"),
        "not have",
    ),
    ("a timeout of a text", "$.States.Charge.TimeoutSeconds", put(C, "TimeoutSeconds", "soon"), "whole number"),
    ("Items of a text", "$.States.Each.Items", put("Each", "Items", "all"), "an expression"),
    ("a variable's path", "$.States.Charge.Assign.a.$", put(C, "Assign", {"a.$": "$"}), "in a JSONata state"),
    ("a path to wait for", "$.States['Wait a bit'].SecondsPath", put("Wait a bit", "SecondsPath", "$"), "of JSONPath"),
]


@pytest.mark.parametrize("base", [JSONPATH, JSONATA], ids=["JSONPath", "JSONata"])
def test_a_right_definition_has_no_problem(base: Definition) -> None:
    """Every type of state in each language passes."""
    assert problems(base) == []


@pytest.mark.parametrize(
    ("path", "change", "words"), [entry[1:] for entry in BROKEN], ids=[entry[0] for entry in BROKEN]
)
def test_a_broken_rule_is_told_at_its_place(path: str, change: Change, words: str) -> None:
    """A definition that breaks one rule has a problem at exactly that path, in words that help."""
    told = found(JSONPATH, change)
    assert [problem.path for problem in told] == [path], told
    assert words in told[0].message


@pytest.mark.parametrize(
    ("path", "change", "words"), [entry[1:] for entry in BROKEN_JSONATA], ids=[entry[0] for entry in BROKEN_JSONATA]
)
def test_a_broken_rule_of_jsonata_is_told_at_its_place(path: str, change: Change, words: str) -> None:
    """The same in the JSONata language."""
    told = found(JSONATA, change)
    assert [problem.path for problem in told] == [path], told
    assert words in told[0].message


def test_states_that_lead_only_to_each_other_are_never_reached() -> None:
    """Each of them is told, for what counts is a way from StartAt."""
    lost = {"A": {"Type": "Pass", "Next": "B"}, "B": {"Type": "Pass", "Next": "A"}}
    definition = {"StartAt": "S", "States": {"S": {"Type": "Succeed"}, **lost}}
    assert [problem.path for problem in problems(definition)] == ["$.States.A", "$.States.B"]


def test_a_machine_that_never_ends_is_told() -> None:
    """No Succeed, no Fail, no End."""
    definition = {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "A"}}}
    assert [(problem.path, problem.message[:13]) for problem in problems(definition)] == [("$.States", "no state ends")]


def test_a_broken_next_is_one_mistake_and_not_two() -> None:
    """The state that is no longer reached is not told, since the name may just be misspelt."""
    assert [problem.path for problem in found(JSONPATH, put("Pause", "Next", "Al"))] == ["$.States.Pause.Next"]


def test_all_mistakes_are_told_at_once_in_the_order_of_the_definition() -> None:
    """Mistakes of several states come together."""
    change = both(put("Pause", "Seconds", "5"), put("Charge", "TimeoutSeconds", 0), put("No", "Error", 1))
    paths = ["$.States.Charge.TimeoutSeconds", "$.States.Pause.Seconds", "$.States.No.Error"]
    assert [problem.path for problem in found(JSONPATH, change)] == paths


def test_an_idle_second_states_all_is_let_through() -> None:
    """A recorded execution has one; the first entry decides alone, and the second says nothing else."""
    entries = [{"ErrorEquals": ["States.ALL"], "MaxAttempts": 0}, {"ErrorEquals": ["States.ALL"]}]
    assert found(JSONPATH, put("Charge", "Retry", entries)) == []


def test_the_old_iterator_of_a_map_is_checked_like_a_processor() -> None:
    """Iterator passes where it is right, and is looked into where it is not."""
    iterator = {"StartAt": "I", "States": {"I": {"Type": "Pass", "End": True, "Result": 1}}}
    right = {"Type": "Map", "Iterator": iterator, "Next": "Yes"}
    assert found(JSONPATH, put("Each", right)) == []
    wrong = {**right, "Iterator": {**iterator, "StartAt": "J"}}
    assert [problem.path for problem in found(JSONPATH, put("Each", wrong))] == ["$.States.Each.Iterator.StartAt"]


def test_a_distributed_map_may_tolerate_failures() -> None:
    """Its own fields pass, a percentage as a whole number too."""
    processor = {
        "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
        "StartAt": "I",
        "States": {"I": {"Type": "Succeed"}},
    }
    state = {"Type": "Map", "ItemProcessor": processor, "ToleratedFailurePercentage": 40, "Label": "x", "Next": "Yes"}
    assert found(JSONPATH, put("Each", state)) == []
    told = found(JSONPATH, put("Each", {**state, "ToleratedFailurePercentage": 101}))
    assert [problem.path for problem in told] == ["$.States.Each.ToleratedFailurePercentage"]


def test_a_state_may_have_another_language_than_its_machine() -> None:
    """A JSONata state in a JSONPath machine is checked as JSONata; the states inside it are not."""
    state = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 1 %}", "Next": "All"}
    assert found(JSONPATH, put("Pause", state)) == []
    told = found(JSONPATH, put("Pause", {**state, "Output": "{% ( %}", "Result": 1}))
    assert [problem.path for problem in told] == ["$.States.Pause.Result", "$.States.Pause.Output"]
    inner = both(
        put("All", "QueryLanguage", "JSONata"), put("All", "Branches", 0, "States", "Inner", "ResultPath", "$.a")
    )
    assert found(JSONPATH, inner) == []


@pytest.mark.parametrize(
    ("value", "path"),
    [({1: 2}, "$.Comment"), (float("nan"), "$.Comment"), ((1,), "$.Comment"), ([{"a": b""}], "$.Comment[0].a")],
)
def test_what_is_not_json_is_told_before_anything_else(value: object, path: str) -> None:
    """A key that is no text, a number that is none, a tuple, bytes."""
    assert [problem.path for problem in problems({"StartAt": 1, "Comment": value})] == [path]


def test_a_value_that_contains_itself_is_one_problem() -> None:
    """The depth of a definition is bounded."""
    loop: list[Any] = []
    loop.append(loop)
    assert [problem.message for problem in problems({"Comment": loop})] == ["values nest more than 100 deep"]


@pytest.mark.parametrize("data", [None, 1, "text", [], True])
def test_a_definition_that_is_no_object_is_one_problem(data: object) -> None:
    """It is told at $."""
    assert [problem.path for problem in problems(data)] == ["$"]


# --- variables ------------------------------------------------------------------------------------------------------
def mapped(item: Definition, mode: str = "DISTRIBUTED", **more: Any) -> Definition:
    """A machine that assigns x, and then goes over items, each through one state."""
    config = {"Mode": mode, **({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})}
    states = {"Item": item, **({"Last": {"Type": "Pass", "End": True}} if "Next" in item else {})}
    processor = {"ProcessorConfig": config, "StartAt": "Item", "States": states}
    each = {"Type": "Map", "ItemProcessor": processor, "End": True, **more}
    return {"StartAt": "First", "States": {"First": {"Type": "Pass", "Assign": {"x": 1}, "Next": "Each"}, "Each": each}}


ITEM = "$.States.Each.ItemProcessor.States.Item"
READS = [
    ({"Type": "Pass", "Parameters": {"it.$": "$x"}, "End": True}, "Parameters.it.$"),
    ({"Type": "Pass", "Parameters": {"it": [{"it.$": "$x.a[0]"}]}, "End": True}, "Parameters.it[0].it.$"),
    ({"Type": "Pass", "Parameters": {"it.$": "States.Format('{}', States.Array($x))"}, "End": True}, "Parameters.it.$"),
    ({"Type": "Pass", "Assign": {"y.$": "$x"}, "End": True}, "Assign.y.$"),
    ({"Type": "Wait", "SecondsPath": "$x", "End": True}, "SecondsPath"),
    (
        {"Type": "Choice", "Choices": [{"Not": {"Variable": "$x", "IsNull": True}, "Next": "Last"}], "Default": "Last"},
        "Choices[0].Not.Variable",
    ),
    ({"Type": "Pass", "QueryLanguage": "JSONata", "Output": {"it": "{% $sum([$x, 1]) %}"}, "End": True}, "Output.it"),
]
"""States that read $x, and where."""


@pytest.mark.parametrize(("item", "where"), READS)
def test_child_executions_read_no_variable_of_outside(item: Definition, where: str) -> None:
    """The service refuses it when the state machine is made; an inline Map may."""
    if item["Type"] == "Choice":
        definition = mapped({**item, "Next": "Last"})
        del definition["States"]["Each"]["ItemProcessor"]["States"]["Item"]["Next"]
    else:
        definition = mapped(item)
    (found,) = problems(definition)
    assert found.path == f"{ITEM}.{where}"
    assert found.message.startswith("found the variable $x of states outside of the distributed Map")
    definition["States"]["Each"]["ItemProcessor"]["ProcessorConfig"] = {"Mode": "INLINE"}
    assert problems(definition) == []


def test_child_executions_read_none_of_further_outside_either() -> None:
    """Not of the machine around the Parallel that the Map is in, nor in a Parallel of their own."""
    reads = {"Type": "Pass", "Parameters": {"it.$": "$x"}, "End": True}
    inside = {"Type": "Parallel", "Branches": [{"StartAt": "Read", "States": {"Read": reads}}], "End": True}
    each = mapped(inside)["States"]["Each"]
    around = {"Type": "Parallel", "Branches": [{"StartAt": "Each", "States": {"Each": each}}], "End": True}
    first = {"Type": "Pass", "Assign": {"x": 1}, "Next": "Around"}
    assert [one.path for one in problems({"StartAt": "First", "States": {"First": first, "Around": around}})] == [
        "$.States.Around.Branches[0].States.Each.ItemProcessor.States.Item.Branches[0].States.Read.Parameters.it.$"
    ]


@pytest.mark.parametrize(
    "item",
    [
        {"Type": "Pass", "Assign": {"x": 2}, "Parameters": {"it.$": "$x"}, "End": True},
        {"Type": "Pass", "Parameters": {"it": "$x", "that.$": "$.x", "name.$": "$$.State.Name"}, "End": True},
        {"Type": "Pass", "Result": {"it.$": "$x"}, "End": True},
        {"Type": "Pass", "Comment": "{% $x %}", "QueryLanguage": "JSONata", "End": True},
        {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% ($x := 1; $x + 1) %}", "End": True},
        {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% $map([1], function($x) { $x }) %}", "End": True},
        {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 'costs $x' & \"$x\" %}", "End": True},
    ],
)
def test_what_is_no_variable_of_outside_is_let_through(item: Definition) -> None:
    """Variables of its own, data, texts, and names that an expression binds itself."""
    assert problems(mapped(item)) == []


def test_the_fields_of_a_distributed_map_itself_see_the_variables() -> None:
    """Its ItemSelector is how they get to the children."""
    item = {"Type": "Pass", "End": True}
    assert problems(mapped(item, ItemSelector={"x.$": "$x"}, MaxConcurrencyPath="$x")) == []


@pytest.mark.parametrize("assign", [None, "x", ["x"], {"x": {"y": 1}}])
def test_an_assign_of_any_form_is_looked_at_without_an_error(assign: object) -> None:
    """What is wrong with it is told by its own rule."""
    definition = mapped({"Type": "Pass", "Parameters": {"it.$": "$x"}, "End": True})
    definition["States"]["First"]["Assign"] = assign
    assert problems(definition)
